"""Batches by their numbers, drawn by threads of their own while the network learns from earlier ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from telltale_export.faces.training import Batch, Batches

_DRAWN_AHEAD = 4


class Draws(Protocol):
    """What crops are drawn from; a batch follows from its number alone, whoever draws it and whatever came before."""

    def batch(self, number: int, size: int) -> Batch:
        """Batch ``number`` of ``size`` crops."""
        ...


def batches(draws: Draws, size: int, workers: int = 1) -> Batches:
    """What ``fit`` takes batches from: called with the first number and the one after the last.

    Args:
        draws: where they come from.
        size: crops in each.
        workers: threads that draw, at least one. The batches are the same however many there are; scaling, warping and
            coding let go of the interpreter, so a thread uses a second core where there is one.
    """

    def between(first: int, end: int) -> Iterator[Batch]:
        pool = ThreadPoolExecutor(workers, thread_name_prefix="draws")
        waiting: deque[Future[Batch]] = deque()
        try:
            for number in range(first, end):
                waiting.append(pool.submit(draws.batch, number, size))
                if len(waiting) > _DRAWN_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    return between
