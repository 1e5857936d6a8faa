"""Read a checkpoint file into tensors by key, whatever wrote it, and run nothing that is in it."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from telltale_export.architectures import Array, Framework
from telltale_export.errors import CheckpointError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK"
_PICKLE = b"\x80"
_KERAS_WEIGHTS = "model.weights.h5"
_NAMED = 8


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's tensors.

    Attributes:
        name: of the file.
        sha256: of the file.
        framework: that wrote it; none where the format does not say.
        wrapping: the keys under which the tensors lay, empty when they lay bare.
        state: tensors by key, numbers as float32 or as integers; all finite.
    """

    name: str
    sha256: str
    framework: Framework | None
    wrapping: tuple[str, ...]
    state: Mapping[str, Array]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a torch checkpoint, a safetensors file, Keras weights (.h5, .weights.h5) or a .keras archive.

    What a file is, its content says and not its name. Of a torch checkpoint only tensors and plain containers are
    read: a pickle that names anything else is refused, and nothing in it is called.

    Raises:
        CheckpointError: the file is not there, cut off, of no known format, holds a program, holds no tensors, or one
            that is not finite, complex or no plain array.
    """
    head = _head(path)
    framework, wrapping, tensors = _parsed(path, head)
    if not tensors:
        raise CheckpointError(f"{path.name} holds no tensors.", "Give the file with the weights.")
    _require_real(path, tensors)
    state = {key: _plain(value) for key, value in tensors.items()}
    _require_finite(path, state)
    return Checkpoint(path.name, _sha256(path), framework, wrapping, state)


Reader = Callable[[Path], tuple[tuple[str, ...], dict[str, Array]]]


def _parsed(path: Path, head: bytes) -> tuple[Framework | None, tuple[str, ...], dict[str, Array]]:
    """The one place where what a parser makes of a damaged file becomes a message: each raises what it happens to."""
    try:
        framework, read = _reader(path, head)
        return framework, *read(path)
    except (CheckpointError, ImportError):
        raise
    except MemoryError as error:
        raise CheckpointError(
            f"{path.name} asks for more memory than there is.",
            "Free some, or look whether the file is what its author published (its sha256).",
        ) from error
    except Exception as error:  # the parsers of four formats name no common class
        said = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise CheckpointError(
            f"{path.name} is damaged or cut off, or not of its format: {said}.",
            "Fetch it again and compare its sha256.",
        ) from error


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(16)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.", "Give a checkpoint file.") from error


def _reader(path: Path, head: bytes) -> tuple[Framework | None, Reader]:
    # Each format's library is imported with its reader: nobody needs all of them.
    if head.startswith(_HDF5):
        from telltale_export.checkpoints.keras_files import read_hdf5  # noqa: PLC0415

        return "keras", read_hdf5
    if head.startswith(_ZIP) and _holds_keras(path):
        from telltale_export.checkpoints.keras_files import read_keras_archive  # noqa: PLC0415

        return "keras", read_keras_archive
    if head.startswith((_ZIP, _PICKLE)):
        from telltale_export.checkpoints.torch_files import read_torch  # noqa: PLC0415

        return "torch", read_torch
    if head[8:9] == b"{":
        from telltale_export.checkpoints.torch_files import read_safetensors  # noqa: PLC0415

        return None, read_safetensors
    raise CheckpointError(
        f"{path.name} is neither a torch checkpoint nor safetensors nor Keras weights.",
        "Give a .pth, .pt, .safetensors, .h5, .weights.h5 or .keras file.",
    )


def _holds_keras(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return _KERAS_WEIGHTS in archive.namelist()
    except zipfile.BadZipFile:
        return False  # cut off: torch's reader says so


def _plain(value: Array) -> Array:
    return value.astype(np.float32) if value.dtype.kind == "f" else value


def _require_real(path: Path, tensors: Mapping[str, Array]) -> None:
    for key, value in tensors.items():
        if value.dtype.kind == "c":
            raise CheckpointError(
                f"{key} in {path.name} holds {value.dtype} numbers, and no architecture here has complex weights.",
                "Name the architecture that it was trained as (telltale-export list), or take the right file.",
            )


def _require_finite(path: Path, state: Mapping[str, Array]) -> None:
    # A count of batches overflows where everything was cast to half precision, and no architecture needs it.
    wrong = [
        key
        for key, value in state.items()
        if value.dtype.kind == "f" and not key.endswith("num_batches_tracked") and not np.isfinite(value).all()
    ]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise CheckpointError(
            f"{path.name} holds NaN or infinity in {', '.join(wrong[:_NAMED])}{more}.",
            "The training diverged, or the file is damaged; take an earlier checkpoint.",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
