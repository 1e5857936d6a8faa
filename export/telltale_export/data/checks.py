"""What can be wrong with labelled media that no list shows: copies, contradictions, one class, leaks."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from telltale_export.data.items import MediaItem, SplitName
from telltale_export.data.layouts import LeftOut
from telltale_export.errors import DataError

_SHOWN = 5


def without_copies(items: Sequence[MediaItem]) -> tuple[list[MediaItem], list[LeftOut]]:
    """The items with every file and every content once, the first one kept; empty files and copies are left out.

    Only files of equal size are read: others cannot be alike.

    Raises:
        DataError: files with the same content have different labels, so one of them is wrong.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        by_size[item.path.stat().st_size].append(place)
    alike: dict[str, list[int]] = defaultdict(list)
    for size, same in by_size.items():
        if size and len(same) > 1:
            for place in same:
                alike[_sha256(items[place])].append(place)
    contents = [[items[place] for place in same] for same in alike.values()]
    contradictions = [same for same in contents if len({item.label for item in same}) > 1]
    if contradictions:
        shown = "; ".join(
            " and ".join(f"{item.path} ({item.label})" for item in same) for same in contradictions[:_SHOWN]
        )
        raise DataError(
            f"{len(contradictions)} contents are labelled both real and fake: {shown}.",
            "One of each is wrong: correct its label, or take it out.",
        )
    # By their places, as a file may be listed twice.
    out = dict.fromkeys(by_size[0], "the file is empty")
    for first, *others in alike.values():
        kept = items[first].path.resolve()
        for place in others:
            again = items[place].path.resolve() == kept
            out[place] = "listed more than once" if again else "a copy of another file, byte for byte"
    left_out = [LeftOut(str(items[place].path), out[place]) for place in sorted(out)]
    return [item for place, item in enumerate(items) if place not in out], left_out


def groups_in_several_splits(items: Iterable[MediaItem]) -> dict[str, tuple[SplitName, ...]]:
    """Groups whose media lie in more than one of the splits that the data set gives, and in which."""
    splits: dict[str, set[SplitName]] = defaultdict(set)
    for item in items:
        if item.split is not None:
            splits[item.group].add(item.split)
    return {group: tuple(sorted(names)) for group, names in sorted(splits.items()) if len(names) > 1}


def require_apart(items: Iterable[MediaItem]) -> None:
    """See that no group is in two splits.

    Raises:
        DataError: one is; what is measured on it would be measured on what was learned.
    """
    leaks = groups_in_several_splits(items)
    if leaks:
        shown = "; ".join(f"{group} in {' and '.join(names)}" for group, names in list(leaks.items())[:_SHOWN])
        raise DataError(
            f"{len(leaks)} groups are in more than one split: {shown}.",
            "Divide anew with --splits ignore, which keeps groups whole, or correct the splits.",
        )


def require_both_classes(items: Sequence[MediaItem], what: str) -> None:
    """See that there are real and fake media.

    Raises:
        DataError: one class is missing, and without it nothing can be told apart.
    """
    fakes = sum(item.fake for item in items)
    if not 0 < fakes < len(items):
        have = "fake" if fakes else "real" if items else "no"
        raise DataError(f"{what} holds {have} media only ({len(items)}).", "Give media of the other class, too.")


def _sha256(item: MediaItem) -> str:
    with item.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
