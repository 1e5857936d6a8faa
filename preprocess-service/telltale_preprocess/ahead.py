"""Get the next item while the last one is worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import Executor, wait
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")


def ahead(items: Iterator[_T], executor: Executor) -> Generator[_T, None, None]:
    """The same items, each fetched by the executor while its predecessor is in use; never more than one ahead.

    What fetching raises is raised here, at the item's turn. When this is closed early, nothing is fetched any more.
    """
    following = executor.submit(next, items, None)
    try:
        while (item := following.result()) is not None:
            following = executor.submit(next, items, None)
            yield item
    finally:
        wait([following])


def in_batches(items: Iterator[_T], count: int) -> Iterator[list[_T]]:
    """The same items, so many at a time; fewer in the last batch."""
    while batch := list(islice(items, count)):
        yield batch
