"""Deepfake Detection Challenge (Dolhansky 2020): ``metadata.json`` in each part.

    <part>/metadata.json   {"x.mp4": {"label": "FAKE", "split": "train", "original": "y.mp4"}, ...}

The group is the original that a forgery was made of; the methods were not published, so the family is dfdc.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from telltale_export.data.items import Label, MediaItem, split_of
from telltale_export.data.layouts.reading import LeftOut, Reading, refuse_wrong_labels
from telltale_export.errors import DataError

_METADATA = "metadata.json"
_LABELS: dict[str, Label] = {"REAL": "real", "FAKE": "fake"}
_LICENCE = "DFDC terms of use"


class Dfdc:
    """One or more parts below a folder."""

    def found(self, place: Path) -> bool:
        """Whether a part has its metadata."""
        return bool(_parts(place))

    def read(self, place: Path) -> Reading:
        """Every video that the metadata name and that is there.

        Raises:
            DataError: metadata are none, or a label is neither.
        """
        reading = Reading()
        for listing in _parts(place):
            described = _describe(listing)
            refuse_wrong_labels(
                listing,
                [
                    f"{n}: label is {about['label']!r}"
                    for n, about in described.items()
                    if about["label"] not in _LABELS
                ],
            )
            for name, about in sorted(described.items()):
                path = listing.parent / name
                if not path.is_file():
                    reading.left_out.append(LeftOut(str(path), "in the metadata, but not there"))
                    continue
                label = _LABELS[about["label"]]
                reading.items.append(
                    MediaItem(
                        path=path,
                        modality="video",
                        label=label,
                        family="dfdc" if label == "fake" else "camera",
                        source="DFDC",
                        group=Path(about.get("original") or name).stem,
                        licence=_LICENCE,
                        split=split_of(about.get("split") or ""),
                    )
                )
        return reading


def _parts(place: Path) -> list[Path]:
    return sorted([*place.glob(_METADATA), *place.glob(f"*/{_METADATA}")])


def _describe(listing: Path) -> dict[str, dict[str, Any]]:
    try:
        described = json.loads(listing.read_bytes())
        if not all(isinstance(about.get("label"), str) for about in described.values()):
            raise ValueError("a video has no label")
        for name, about in described.items():
            if not all(isinstance(about.get(field) or "", str) for field in ("original", "split")):
                raise ValueError(f"original and split of {name} are to be names")
    except (ValueError, AttributeError) as error:
        raise DataError(f"{listing} is not DFDC's metadata: {error}.", "Fetch it again, or give --layout.") from error
    return dict(described)
