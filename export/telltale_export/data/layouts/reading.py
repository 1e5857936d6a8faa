"""What every layout gives: rows, what was left out and why, and one refusal that lists all wrong labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from telltale_export.data.items import MediaItem
from telltale_export.errors import DataError

_SHOWN = 5


@dataclass(frozen=True)
class LeftOut:
    """A medium, or a line of a list, that is not among the rows; ``reason`` is the same for all that share it."""

    what: str
    reason: str


@dataclass
class Reading:
    """A data set as its layout gives it, before anything else is checked."""

    items: list[MediaItem] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


class Layout(Protocol):
    """How one kind of data set lies on disk."""

    def found(self, place: Path) -> bool:
        """Whether a place looks like it, by the names of its folders and files alone."""

    def read(self, place: Path) -> Reading:
        """Its rows.

        Raises:
            DataError: a list is not as documented, or has labels that are neither real nor fake.
        """


def refuse_wrong_labels(where: Path, wrong: list[str]) -> None:
    """Refuse a list in which labels are neither real nor fake: leaving those lines out would change the result.

    Args:
        where: the list.
        wrong: a line for each, which says where it is and what it says.

    Raises:
        DataError: there is one.
    """
    if not wrong:
        return
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    raise DataError(
        f"{where}: {len(wrong)} label{'s are' if len(wrong) > 1 else ' is'} neither real nor fake: "
        f"{'; '.join(wrong[:_SHOWN])}{more}.",
        "Correct them, or take the lines out.",
    )


def text_of(path: Path) -> str:
    """A file of a data set as text; spreadsheets begin theirs with a byte order mark, which is left out.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error}.", "Save it as UTF-8.") from error


def lines_of(path: Path) -> list[str]:
    """Its lines.

    Raises:
        DataError: it is not UTF-8.
    """
    return text_of(path).splitlines()
