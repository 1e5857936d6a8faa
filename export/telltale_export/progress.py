"""A progress bar where somebody watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")


def shown(work: Iterable[_T], total: int, what: str, done: int = 0) -> Iterator[_T]:
    """Hand on the parts of some work, with a bar on stderr while it is a terminal.

    Args:
        work: what is handed on.
        total: how many parts there are.
        what: the word before the bar.
        done: how many were done before.
    """
    from tqdm import tqdm  # noqa: PLC0415 - only those commands that work long need it

    yield from tqdm(work, total=total, desc=what, initial=done, disable=None, unit="file")
