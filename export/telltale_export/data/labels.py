"""labels.csv: the list of media that a folder holds, and what is known of each.

A folder of media has a file ``labels.csv`` with a header and the columns

    path      relative to the folder
    modality  audio, image or video
    label     real or fake
    family    the generator; for real media the kind of source (camera, bonafide)
    source    where the medium was published: one channel, one studio, one demo page
    group     what must never be divided between training and test: a speaker, a person, a sentence and its copies
    licence   free text

Further columns are left alone.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from telltale_export.errors import DataError

LABELS_FILE = "labels.csv"
Label = Literal["real", "fake"]
Modality = Literal["audio", "image", "video"]

_COLUMNS = ("path", "modality", "label", "family", "source", "group", "licence")


@dataclass(frozen=True)
class MediaItem:
    """One labelled medium; ``path`` is the file itself."""

    path: Path
    modality: Modality
    label: Label
    family: str
    source: str
    group: str
    licence: str

    @property
    def fake(self) -> bool:
        """Whether it is forged."""
        return self.label == "fake"


def read_labels(media: Path, modality: Modality | None = None) -> list[MediaItem]:
    """The media that ``labels.csv`` of the folder lists, in its order, of one modality when given.

    Raises:
        DataError: no such folder or list, a column or a value is missing, a file is listed twice or is not there.
    """
    listing = media / LABELS_FILE
    if not listing.is_file():
        raise DataError(
            f"{listing} is not there.", f"Give --media a folder with {LABELS_FILE}: columns {', '.join(_COLUMNS)}."
        )
    items: list[MediaItem] = []
    seen: set[str] = set()
    with listing.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        absent = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if absent:
            raise DataError(f"{listing} has no column {', '.join(absent)}.", "Add it to the header and to every line.")
        for row in reader:
            where = f"{listing}, line {reader.line_num}"
            if row["path"] in seen:
                raise DataError(f"{where}: {row['path']} is listed a second time.", "List each medium once.")
            seen.add(row["path"])
            _check(row, where)
            if modality is None or row["modality"] == modality:
                items.append(_item(media, row, where))
    if not items:
        raise DataError(f"{listing} lists no {modality or 'media'}.", "Add lines for it, or give another folder.")
    return items


def _check(row: Mapping[str, str], where: str) -> None:
    empty = [column for column in _COLUMNS if not row[column]]
    if empty:
        raise DataError(f"{where}: no {', '.join(empty)}.", "Fill it in; a group of its own is a valid group.")
    for column, allowed in (("modality", get_args(Modality)), ("label", get_args(Label))):
        if row[column] not in allowed:
            raise DataError(f"{where}: {column} is {row[column]!r}.", f"It must be one of {', '.join(allowed)}.")


def _item(media: Path, row: Mapping[str, str], where: str) -> MediaItem:
    path = media / row["path"]
    if not path.is_file():
        raise DataError(f"{where}: {path} is not there.", "Fetch it, or take the line out.")
    return MediaItem(
        path=path,
        modality=cast("Modality", row["modality"]),
        label=cast("Label", row["label"]),
        family=row["family"],
        source=row["source"],
        group=row["group"],
        licence=row["licence"],
    )
