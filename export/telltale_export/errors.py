"""What the command line says when it cannot go on.

ExportError            something that the caller can put right; has a hint
 +- DataError          labels or media are not as documented
 +- CheckpointError    a checkpoint that cannot be read, or that is of another architecture
 +- PackagingError     a model or a version that must not be published
"""

from __future__ import annotations


class ExportError(Exception):
    """Something that the caller can put right: ``str(error)`` says what and why, ``hint`` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class DataError(ExportError):
    """labels.csv or a medium is not as documented."""


class CheckpointError(ExportError):
    """A checkpoint that cannot be read safely, or whose tensors are not those of the architecture."""


class PackagingError(ExportError):
    """A model, or a version of one, that must not be published."""
