"""Inputs that are asked again of another version, aside: what comes of it touches no answer and waits for none."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale_gateway.rollout.comparison import Comparison, input_key
from telltale_gateway.rollout.fleet import Deployed
from telltale_gateway.rollout.usage import Usage
from telltale_gateway.serving import BackendError, ModelCall, infer_in_batches

_log = logging.getLogger(__name__)

_PAIRS_KEPT = 8

# The live version and its shadow: number and digest of each.
_Pair = tuple[int, str, int, str]


@dataclass(frozen=True)
class Mirrored:
    """One request's items, to be scored by ``other`` too.

    ``take`` gets the input's key and what came of it: raw scores, float32 [N].
    """

    other: Deployed
    items: NDArray[np.generic]
    timeout_s: float
    take: Callable[[bytes, NDArray[np.float32]], None]


class Mirror:
    """A queue with room for few, worked off one at a time; what finds it full is dropped and counted."""

    def __init__(self, usage: Usage, room: int) -> None:
        self._usage = usage
        self._queue: asyncio.Queue[Mirrored] = asyncio.Queue(maxsize=room)
        self.dropped: Counter[tuple[str, int]] = Counter()
        self.failed: Counter[tuple[str, int]] = Counter()

    def offer(self, mirrored: Mirrored) -> None:
        """Have an input asked again when there is time for it; returns at once."""
        try:
            self._queue.put_nowait(mirrored)
        except asyncio.QueueFull:
            self.dropped[mirrored.other.name, mirrored.other.version] += 1

    async def run(self) -> None:
        """Work the queue off until cancelled."""
        while True:
            mirrored = await self._queue.get()
            try:
                await self._ask(mirrored)
            except Exception:
                _log.exception("asking %s again failed", mirrored.other.name)

    async def _ask(self, mirrored: Mirrored) -> None:
        other = mirrored.other
        if other.backend is None:
            return
        call = ModelCall(other.name, other.version, other.manifest.tensors, mirrored.timeout_s)
        with self._usage.of([other]):
            try:
                scores = await infer_in_batches(other.backend, call, mirrored.items, other.manifest.max_batch)
            except BackendError as error:
                _log.info("%s %d did not answer aside: %s", other.name, other.version, error)
                self.failed[other.name, other.version] += 1
                return
        mirrored.take(await asyncio.to_thread(input_key, mirrored.items), scores)


class ShadowLog:
    """What the shadows of this gateway showed: for each pair of versions, the inputs that both scored.

    Of each detector the pairs that were compared last are kept.
    """

    def __init__(self) -> None:
        self._comparisons: dict[str, dict[_Pair, Comparison]] = {}

    def between(self, live: Deployed, shadow: Deployed) -> Comparison | None:
        """The comparison of a live version with its shadow; None where either has no release."""
        if live.release is None or shadow.release is None:
            return None
        key = (live.version, live.release.sha256, shadow.version, shadow.release.sha256)
        of_detector = self._comparisons.setdefault(live.name, {})
        comparison = of_detector.pop(key, None) or Comparison(live.release, shadow.release)
        of_detector[key] = comparison
        if len(of_detector) > _PAIRS_KEPT:
            del of_detector[next(iter(of_detector))]
        return comparison

    def of(self, detector: str) -> list[Comparison]:
        """The comparisons of a detector."""
        return list(self._comparisons.get(detector, {}).values())
