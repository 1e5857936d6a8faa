"""A model server in memory, for what can be decided without a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Server
from telltale_gateway.serving import (
    Backend,
    BackendError,
    BackendRefused,
    BackendUnavailable,
    ModelCall,
    Served,
    Signature,
    Versions,
    Wanted,
)


class ServerInMemory:
    """Loads all versions of a model that it is told of, or none, as Triton does.

    ``bad`` versions cannot be loaded; ``failing`` ones are loaded and do not answer; ``away`` is being dead,
    ``trouble`` what happens when it is told something, ``free`` is set unless it is busy with
    what it is told.
    """

    server: Server = "triton"
    loads_together = True

    def __init__(self, *, bad: Sequence[int] = (), failing: Sequence[int] = ()) -> None:
        self.bad = set(bad)
        self.failing = set(failing)
        self.away = False
        self.free = asyncio.Event()
        self.free.set()
        self.trouble: BackendError | None = None
        self.loaded: dict[str, Versions] = {}
        self.told: list[Mapping[str, Wanted]] = []
        self.asked: list[int] = []

    def members(self) -> Sequence[Backend]:
        return (self,)

    async def alive(self) -> bool:
        return not self.away

    async def ready(self, model: str, version: int) -> bool:
        self._reach()
        return version in self.loaded.get(model, frozenset())

    async def describe(self, call: ModelCall) -> Signature:
        raise NotImplementedError(call)

    async def serve(self, wanted: Mapping[str, Wanted]) -> Served:
        self._reach()
        if self.trouble is not None:
            raise self.trouble
        self.told.append(wanted)
        await self.free.wait()
        failures: dict[str, str] = {}
        read: dict[str, Versions] = {}
        for model, each in wanted.items():
            if self.loaded.get(model) != each.versions:
                read[model] = each.versions
            if each.versions & self.bad:
                failures[model] = f"{sorted(each.versions & self.bad)} cannot be loaded"
            else:
                self.loaded[model] = each.versions
        for model in self.loaded.keys() - wanted.keys():
            del self.loaded[model]
        return Served(failures, read)

    async def revive(self, model: str, versions: Versions) -> None:
        raise NotImplementedError((model, versions))

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        self._reach()
        self.asked.append(call.version)
        if call.version in self.failing:
            raise BackendRefused(f"{call.model} {call.version} does not answer")
        return np.full(len(batch), call.version / 100, np.float32)

    async def close(self) -> None:
        """Nothing is open."""

    def _reach(self) -> None:
        if self.away:
            raise BackendUnavailable("it is away")


class ToyFaceInMemory(ServerInMemory):
    """Answers as toy-face does: with the brightness of the picture."""

    async def describe(self, call: ModelCall) -> Signature:
        return Signature(
            {call.tensors.input: ("uint8", (-1, 64, 64, 3))}, {call.tensors.probability: ("float32", (-1, 1))}
        )

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        await super().infer(call, batch)
        return (np.asarray(batch, np.float32) / 255).mean(axis=(1, 2, 3))
