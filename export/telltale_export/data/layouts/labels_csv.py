"""``labels.csv``: the list of media that a folder holds, and what is known of each.

A header and the columns

    path      relative to the list's folder
    modality  audio, image or video
    label     real or fake
    family    the generator; for real media the kind of source (camera, bonafide)
    source    where the medium was published: one channel, one studio, one demo page
    group     what must never be divided between training and test: a speaker, a person, a sentence and its copies
    licence   free text
    split     may be left out: training, calibration (val, dev) or test (eval); empty where it is not decided

Further columns are left alone.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast, get_args

from telltale_export.data.items import Label, MediaItem, Modality, split_of
from telltale_export.data.layouts.reading import Reading, refuse_wrong_labels, text_of
from telltale_export.errors import DataError
from telltale_export.files import write_whole

LABELS_FILE = "labels.csv"
_COLUMNS = ("path", "modality", "label", "family", "source", "group", "licence")


class LabelsCsv:
    """A folder with ``labels.csv``, or such a list by any name."""

    def found(self, place: Path) -> bool:
        """Whether there is such a list."""
        return (place / LABELS_FILE).is_file() or (place.is_file() and place.suffix == ".csv")

    def read(self, place: Path) -> Reading:
        """The media that are listed, in the list's order.

        Raises:
            DataError: there is no list, a column or a value is missing or wrong, a file is listed twice or not there.
        """
        listing = place if place.is_file() else place / LABELS_FILE
        if not listing.is_file():
            raise DataError(
                f"{listing} is not there.", f"Give a folder with {LABELS_FILE}: columns {', '.join(_COLUMNS)}."
            )
        reader = csv.DictReader(io.StringIO(text_of(listing), newline=""))
        absent = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if absent:
            raise DataError(f"{listing} has no column {', '.join(absent)}.", "Add it to the header and to every line.")
        rows = [(reader.line_num, row) for row in reader]
        refuse_wrong_labels(
            listing,
            [
                f"line {line}: label is {row['label']!r}"
                for line, row in rows
                if row["label"] and row["label"] not in get_args(Label)
            ],
        )
        return Reading(items=_items(listing, rows))


def write_labels(items: Iterable[MediaItem], listing: Path) -> None:
    """Write a list that ``LabelsCsv`` reads, by one rename; paths become relative to it."""
    folder = listing.parent.resolve()
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, "split"])
    for item in items:
        described = (item.modality, item.label, item.family, item.source, item.group, item.licence)
        writer.writerow([os.path.relpath(item.path.resolve(), folder), *described, item.split or ""])
    write_whole(listing, text.getvalue().encode())


def _items(listing: Path, rows: Iterable[tuple[int, Mapping[str, str]]]) -> list[MediaItem]:
    items: list[MediaItem] = []
    seen: set[str] = set()
    for line, row in rows:
        where = f"{listing}, line {line}"
        if row["path"] in seen:
            raise DataError(f"{where}: {row['path']} is listed a second time.", "List each medium once.")
        seen.add(row["path"])
        items.append(_item(listing.parent, row, where))
    return items


def _item(folder: Path, row: Mapping[str, str], where: str) -> MediaItem:
    empty = [column for column in _COLUMNS if not row[column]]
    if empty:
        raise DataError(f"{where}: no {', '.join(empty)}.", "Fill it in; a group of its own is a valid group.")
    if row["modality"] not in get_args(Modality):
        raise DataError(
            f"{where}: modality is {row['modality']!r}.", f"It must be one of {', '.join(get_args(Modality))}."
        )
    word = row.get("split") or ""
    if word and split_of(word) is None:
        raise DataError(f"{where}: split is {word!r}.", "It must be training, calibration or test, or empty.")
    path = folder / row["path"]
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
        split=split_of(word),
    )
