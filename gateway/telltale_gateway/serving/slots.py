"""Turns at a model server: so many batches are with it at once, and the others are counted while they wait."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Slots:
    """An asynchronous context that at most ``most`` are in at once; ``waiting`` are those that would like to be."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)
        self.waiting = 0

    async def __aenter__(self) -> None:
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.release()
