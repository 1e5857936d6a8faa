"""Several servers of one kind over one repository, as one: any of them may die without a request being lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Server

from telltale_gateway.serving.backend import (
    Backend,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
    Explained,
    ModelCall,
    Served,
    Signature,
    Versions,
    Wanted,
)

# How long a server that failed a call is asked only when all others have failed too. Long enough that few requests
# run into a dead one, short enough that one that came back is used.
_AVOID_S = 1.0

# A server that loads is slow to answer, so they load one after the other; one that takes longer than this is not waited
# for by the next. Meanwhile a server counts as if it had so many more calls on their way.
_HEAD_START_S = 10.0
_LOADING = 8

_T = TypeVar("_T")


class Replicas:
    """A backend over several. Each is told the same, one after the other; a call goes to the one with the fewest calls
    on their way, and to one that is loading only when the others have many.

    A call that one server could not answer is made once more, on another: it may have died, or have been started
    again and not have its models yet. What timed out is not repeated, as its time is gone.
    """

    def __init__(self, backends: Sequence[Backend], count_retry: Callable[[Server], None]) -> None:
        """``count_retry`` is told of each call that was made again."""
        self._backends = tuple(backends)
        self._count_retry = count_retry
        self._on_their_way = [0] * len(self._backends)
        self._loading: set[int] = set()
        self._failed_at: dict[tuple[int, str, int], float] = {}
        self.server: Server = self._backends[0].server
        self.loads_together = self._backends[0].loads_together

    def members(self) -> Sequence[Backend]:
        """The servers, each by itself."""
        return self._backends

    @property
    def waiting(self) -> int:
        """Batches that wait for any of them."""
        return sum(backend.waiting for backend in self._backends)

    async def alive(self) -> bool:
        """Whether any of them answers."""
        return any(await asyncio.gather(*(backend.alive() for backend in self._backends)))

    async def ready(self, model: str, version: int) -> bool:
        """Whether every server that can be reached has the version."""
        answers = await self._of_each(lambda backend: backend.ready(model, version))
        return all(answers)

    async def describe(self, call: ModelCall) -> Signature:
        """What the first server that can be reached says of the version."""
        return (await self._of_each(lambda backend: backend.describe(call)))[0]

    async def serve(self, wanted: Mapping[str, Wanted]) -> Served:
        """Tell each that can be reached; a version has failed to load when it did on any of them."""
        told: list[asyncio.Task[Served]] = []
        try:
            for index in range(len(self._backends)):
                told.append(asyncio.create_task(self._told(index, wanted)))
                await asyncio.wait({told[-1]}, timeout=_HEAD_START_S)
            failures: dict[str, str] = {}
            read: dict[str, Versions] = {}
            answers = _answers(await asyncio.gather(*told, return_exceptions=True))
            for served in answers:
                failures.update(served.failures)
                read.update({model: read.get(model, frozenset()) | each for model, each in served.read.items()})
            # As with a server that is away, one that is slow takes nothing from the others.
            late = {model: why for model, why in answers[0].late.items() if all(model in s.late for s in answers)}
            return Served(failures, read, late)
        finally:
            for task in told:
                task.cancel()

    async def revive(self, model: str, versions: Versions) -> None:
        """Nothing: each server is revived by itself, so that the others go on meanwhile."""

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        """P(fake) of each item of one batch, from the first of two servers that can say."""
        return await self._first_of_two(call, lambda backend: backend.infer(call, batch))

    async def infer_with_heatmaps(self, call: ModelCall, batch: NDArray[np.generic]) -> Explained:
        """The same with the graph's own heatmaps."""
        return await self._first_of_two(call, lambda backend: backend.infer_with_heatmaps(call, batch))

    async def close(self) -> None:
        """Close the connections to all of them."""
        await asyncio.gather(*(backend.close() for backend in self._backends))

    def _by_preference(self, call: ModelCall) -> list[int]:
        now = time.monotonic()

        def preference(index: int) -> tuple[bool, int, float]:
            failed_at = self._failed_at.get((index, call.model, call.version), float("-inf"))
            busy = self._on_their_way[index] + (_LOADING if index in self._loading else 0)
            return now - failed_at < _AVOID_S, busy, failed_at

        return sorted(range(len(self._backends)), key=preference)

    async def _first_of_two(self, call: ModelCall, ask: Callable[[Backend], Awaitable[_T]]) -> _T:
        first, *others = self._by_preference(call)
        try:
            return await self._ask(first, call, ask)
        except (BackendUnavailable, BackendRefused):
            if not others:
                raise
        self._count_retry(self.server)
        return await self._ask(others[0], call, ask)

    async def _ask(self, index: int, call: ModelCall, ask: Callable[[Backend], Awaitable[_T]]) -> _T:
        key = (index, call.model, call.version)
        self._on_their_way[index] += 1
        try:
            answer = await ask(self._backends[index])
        except BackendError:
            self._failed_at[key] = time.monotonic()
            raise
        finally:
            self._on_their_way[index] -= 1
        self._failed_at.pop(key, None)
        return answer

    async def _told(self, index: int, wanted: Mapping[str, Wanted]) -> Served:
        self._loading.add(index)
        try:
            return await self._backends[index].serve(wanted)
        finally:
            self._loading.discard(index)

    async def _of_each(self, ask: Callable[[Backend], Awaitable[_T]]) -> list[_T]:
        return _answers(await asyncio.gather(*(ask(backend) for backend in self._backends), return_exceptions=True))


def _answers(found: Sequence[_T | BaseException]) -> list[_T]:
    """The answers of all that can be reached.

    Raises:
        BackendUnavailable: none can be.
        BackendError: one that can be reached failed otherwise.
    """
    away = (BackendUnavailable, BackendTimeout)
    for result in found:
        if isinstance(result, BaseException) and not isinstance(result, away):
            raise result
    answers = [result for result in found if not isinstance(result, BaseException)]
    if not answers:
        raise next(result for result in found if isinstance(result, BaseException))
    return answers
