"""Celeb-DF, both versions (Li 2020).

    Celeb-real/id0_0000.mp4, YouTube-real/00000.mp4
    Celeb-synthesis/id0_id1_0000.mp4   the video of id0, wearing the face of id1
    List_of_testing_videos.txt         may be missing

The group is the person whose video it is. Everybody has lent a face to everybody, so donors cannot be kept apart, and
the published test list divides people, too: training and testing by it measures on people who were trained on, which is
said as a group in two splits.
"""

from __future__ import annotations

from pathlib import Path

from telltale_export.data.items import MediaItem, SplitName, modality_of
from telltale_export.data.layouts.reading import LeftOut, Reading, lines_of
from telltale_export.errors import DataError

_FOLDERS = {"Celeb-real": "real", "YouTube-real": "real", "Celeb-synthesis": "fake"}
_LIST = "List_of_testing_videos.txt"
_LICENCE = "Celeb-DF terms of use"


class CelebDf:
    """Its three folders and its list."""

    def found(self, place: Path) -> bool:
        """Whether there are genuine and forged celebrities."""
        return (place / "Celeb-real").is_dir() and (place / "Celeb-synthesis").is_dir()

    def read(self, place: Path) -> Reading:
        """Every video.

        Raises:
            DataError: the list is not text, or a line of it contradicts the folders.
        """
        reading = Reading()
        tested = _tested(place)
        for name, label in _FOLDERS.items():
            for path in sorted((place / name).glob("*")):
                if modality_of(path) != "video":
                    reading.left_out.append(LeftOut(str(path), "not a video"))
                    continue
                reading.items.append(_item(path, name, label == "fake", tested))
        return reading


def _item(path: Path, folder: str, fake: bool, tested: set[str] | None) -> MediaItem:
    split: SplitName | None = None
    if tested is not None:
        split = "test" if f"{folder}/{path.name}" in tested else "training"
    return MediaItem(
        path=path,
        modality="video",
        label="fake" if fake else "real",
        family="celeb-synthesis" if fake else "camera",
        source="Celeb-DF/YouTube" if folder == "YouTube-real" else "Celeb-DF",
        group=f"youtube-{path.stem}" if folder == "YouTube-real" else path.stem.split("_")[0],
        licence=_LICENCE,
        split=split,
    )


def _tested(place: Path) -> set[str] | None:
    listing = place / _LIST
    if not listing.is_file():
        return None
    tested = set()
    for number, line in enumerate(lines_of(listing), start=1):
        if not line.strip():
            continue
        mark, _, name = line.strip().partition(" ")
        wanted = _FOLDERS.get(name.partition("/")[0])
        if wanted is None or mark != {"real": "1", "fake": "0"}[wanted]:
            raise DataError(
                f"{listing}, line {number}: {line!r} is neither '1' and a real video nor '0' and a synthetic one.",
                "Fetch the list again.",
            )
        tested.add(name)
    return tested
