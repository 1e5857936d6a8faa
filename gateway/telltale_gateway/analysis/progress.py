"""Progress of an analysis, as events that any caller can listen to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["preprocess", "detect", "fuse"]


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of one stage are finished."""

    stage: Stage
    done: int
    total: int


Listener = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """The listener of a caller that does not care."""
