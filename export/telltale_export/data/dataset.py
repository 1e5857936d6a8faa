"""A data set of any known layout: its rows, what was left out of them, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from telltale_export.data.checks import groups_in_several_splits, without_copies
from telltale_export.data.items import MediaItem, Modality
from telltale_export.data.layouts import LayoutName, LeftOut, layout_of, layouts
from telltale_export.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """Labelled media in the order of their list, or of their names; every content once."""

    place: Path
    layout: LayoutName
    items: tuple[MediaItem, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def name(self) -> str:
        """What it is called: the name of its folder or list, none of where that lies."""
        return self.place.resolve().name

    def of(self, *modalities: Modality) -> list[MediaItem]:
        """The media of these modalities.

        Raises:
            DataError: there is none.
        """
        chosen = [item for item in self.items if item.modality in modalities]
        if not chosen:
            raise DataError(f"{self.place} lists no {' or '.join(modalities)}.", "Add some, or give another folder.")
        return chosen

    def reasons(self) -> dict[str, int]:
        """How many were left out for each reason, the most frequent first."""
        return dict(Counter(each.reason for each in self.left_out).most_common())

    def summary(self) -> str:
        """Counts by modality, class, family and source, and everything that is wrong, as lines of text."""
        lines = [f"{self.place} ({self.layout}): {len(self.items)} media, {len(self.left_out)} left out"]
        lines += [f"  left out: {count} x {reason}" for reason, count in self.reasons().items()]
        cells: Counter[tuple[str, str, str, str]] = Counter()
        groups: dict[tuple[str, str, str, str], set[str]] = {}
        for item in self.items:
            cell = (item.modality, item.source, item.label, item.family)
            cells[cell] += 1
            groups.setdefault(cell, set()).add(item.group)
        lines += [
            f"  {modality:6} {label:5} {family:24} {count:6d} media {len(groups[modality, source, label, family]):6d} "
            f"groups   {source}"
            for (modality, source, label, family), count in sorted(cells.items())
        ]
        for modality in sorted({item.modality for item in self.items}):
            if len({item.label for item in self.items if item.modality == modality}) == 1:
                lines.append(f"  one class only among the {modality} media: no detector can be told right or wrong")
        leaks = groups_in_several_splits(self.items)
        if leaks:
            lines.append(f"  {len(leaks)} groups are in more than one split, {', '.join(list(leaks)[:5])} among them")
        return "\n".join(lines)


def read_dataset(place: Path, layout: LayoutName | None = None, *, given_splits: bool = True) -> Dataset:
    """Read a data set and check what its list cannot show.

    Args:
        place: its folder, or a list.
        layout: how it lies there; found out when not given.
        given_splits: whether the splits that it gives are kept.

    Raises:
        DataError: the layout is unknown, a list is wrong, or one content is labelled real and fake.
    """
    name = layout or layout_of(place)
    reading = layouts()[name].read(place)
    items, copies = without_copies(reading.items)
    if not items:
        raise DataError(f"{place} ({name}) lists no media.", "Give another folder, or another --layout.")
    if not given_splits:
        items = [replace(item, split=None) for item in items]
    return Dataset(place, name, tuple(items), (*reading.left_out, *copies))
