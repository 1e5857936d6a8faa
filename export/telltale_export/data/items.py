"""One labelled medium, whatever list or folder said so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Label = Literal["real", "fake"]
Modality = Literal["audio", "image", "video"]
SplitName = Literal["training", "calibration", "test"]
SPLITS: tuple[SplitName, ...] = ("training", "calibration", "test")

_SUFFIXES: dict[Modality, tuple[str, ...]] = {
    "audio": (".flac", ".wav", ".mp3", ".ogg", ".opus", ".m4a", ".aac"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".bmp"),
    "video": (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"),
}
# What people call the three parts.
_SPLIT_WORDS: dict[str, SplitName] = {
    "training": "training",
    "train": "training",
    "calibration": "calibration",
    "validation": "calibration",
    "valid": "calibration",
    "val": "calibration",
    "dev": "calibration",
    "test": "test",
    "testing": "test",
    "eval": "test",
}


@dataclass(frozen=True)
class MediaItem:
    """One labelled medium; ``path`` is the file itself.

    ``family``: the generator; of real media the kind of source. ``source``: where it was published. ``group``: what
    must never be divided between training and test. ``split``: where the data set itself says so.
    """

    path: Path
    modality: Modality
    label: Label
    family: str
    source: str
    group: str
    licence: str
    split: SplitName | None = None

    @property
    def fake(self) -> bool:
        """Whether it is forged."""
        return self.label == "fake"


def modality_of(path: Path) -> Modality | None:
    """What a file's name says that it is; none of what is no medium."""
    suffix = path.suffix.lower()
    return next((modality for modality, suffixes in _SUFFIXES.items() if suffix in suffixes), None)


def split_of(word: str) -> SplitName | None:
    """The split that people mean by a word (``val`` and ``dev`` are for calibration); none of another word."""
    return _SPLIT_WORDS.get(word.lower())
