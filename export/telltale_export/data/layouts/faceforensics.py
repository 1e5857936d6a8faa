"""FaceForensics++ (Rössler 2019), with the DeepFakeDetection videos where they are there.

    original_sequences/<youtube|actors>/<c0|c23|c40|raw>/videos/000.mp4, 01__scene.mp4
    manipulated_sequences/<method>/<compression>/videos/000_003.mp4, 01_02__scene__X.mp4
    train.json, val.json, test.json (here or in splits/): pairs of numbers; may be missing

The family is the method, the group the people that are joined by swaps among each other, and the source names the
compression too, because a forgery must stand against genuine videos of its own compression.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from telltale_export.data.items import MediaItem, SplitName, modality_of, split_of
from telltale_export.data.layouts.identities import Identities
from telltale_export.data.layouts.reading import LeftOut, Reading
from telltale_export.errors import DataError

_REAL, _FAKE = "original_sequences", "manipulated_sequences"
_ACTORS = ("actors", "DeepFakeDetection")
_LICENCE = "FaceForensics++ terms of use"
_NAME = re.compile(r"^(\d+)(?:_(\d+))?(?:__.*)?$")


class FaceForensics:
    """The tree that the published download script makes."""

    def found(self, place: Path) -> bool:
        """Whether both of its folders are there."""
        return (place / _REAL).is_dir() and (place / _FAKE).is_dir()

    def read(self, place: Path) -> Reading:
        """Every video of every method and compression.

        Raises:
            DataError: a list of a split is not one.
        """
        reading, identities, splits = Reading(), Identities(), _splits(place)
        named: list[tuple[Path, list[str]]] = []
        for path in sorted(path for path in place.glob("*_sequences/*/*/videos/*") if modality_of(path) == "video"):
            matched = _NAME.match(path.stem)
            if matched is None:
                reading.left_out.append(LeftOut(str(path), "the name has no number of a person"))
                continue
            kind = "actor" if path.parts[-4] in _ACTORS else "youtube"
            people = [f"{kind}-{number}" for number in matched.groups() if number]
            identities.join(people)
            named.append((path, people))
        for path, people in named:
            reading.items.append(_item(path, people, identities, splits))
        return reading


def _item(path: Path, people: list[str], identities: Identities, splits: dict[str, SplitName]) -> MediaItem:
    sequences, method, compression = path.parts[-5], path.parts[-4], path.parts[-3]
    published = "actors" if method in _ACTORS else "youtube"
    return MediaItem(
        path=path,
        modality="video",
        label="real" if sequences == _REAL else "fake",
        family="camera" if sequences == _REAL else method,
        source=f"FaceForensics++/{published}/{compression}",
        group=identities.group(people[0]),
        licence=_LICENCE,
        split=splits.get(people[0]),
    )


def _splits(place: Path) -> dict[str, SplitName]:
    found: dict[str, SplitName] = {}
    for name in ("train", "val", "test"):
        listing = next((p for p in (place / f"{name}.json", place / "splits" / f"{name}.json") if p.is_file()), None)
        split = split_of(name)
        if listing is None or split is None:
            continue
        try:
            found |= {f"youtube-{number}": split for pair in json.loads(listing.read_bytes()) for number in pair}
        except (ValueError, TypeError) as error:
            raise DataError(f"{listing} is no list of pairs: {error}.", "Fetch it again from FaceForensics.") from error
    return found
