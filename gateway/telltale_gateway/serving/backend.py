"""What the gateway needs of a model server.

BackendError
  BackendUnavailable    the server cannot be reached, or went away during the call
  BackendRefused        the server answered with an error: no such version, wrong shape, a failing model
    BackendBusy         for now, and of any version: it has no room
    BackendDied         what ran the version is dead, perhaps by no fault of the version
  BackendTimeout        no answer before the deadline
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Server, TensorNames

_MOST_CELLS = 64  # on a side: a map of pooled features; more would be a picture


class BackendError(Exception):
    """A model server did not give scores."""


class BackendUnavailable(BackendError):
    """The server cannot be reached, or went away during the call."""


class BackendRefused(BackendError):
    """The server answered with an error: no such version, a wrong shape, a failing model."""


class BackendBusy(BackendRefused):
    """The server has no room for the call now, which says nothing of the version."""


class BackendDied(BackendRefused):
    """What ran a loaded version is dead; the server takes no request for the version before it is loaded afresh."""


class BackendTimeout(BackendError):
    """No answer before the deadline."""


@dataclass(frozen=True)
class ModelCall:
    """Which graph is asked, what its tensors are called, and how long the answer may take once it is sent."""

    model: str
    version: int
    tensors: TensorNames
    timeout_s: float


@dataclass(frozen=True)
class Explained:
    """P(fake) of each item, float32 [N], and the class activation maps of the same run of the graph, [N, h, w]."""

    probability: NDArray[np.float32]
    heatmap: NDArray[np.float32]


Versions = frozenset[int]

# A busy server may let its liveness probe wait; so many in a row make it dead. One that refuses connections is at once.
PATIENCE = 3


@dataclass(frozen=True)
class Wanted:
    """The versions of one model that a server is to have, and the labels that other clients can find them by.

    ``changed`` are those of them whose files are no longer the ones that were loaded: what is in the server's memory
    may go on serving, and is never to be read again from disk.
    """

    versions: Versions
    labels: Mapping[str, int] = field(default_factory=dict)
    changed: Versions = frozenset()


@dataclass(frozen=True)
class Served:
    """What came of telling a server: why, for each model of which a wanted version could not be loaded; the versions
    that it may have read from disk; and why, for each model that it had not loaded in time, which says nothing of its
    versions."""

    failures: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, Versions] = field(default_factory=dict)
    late: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Signature:
    """What a loaded version says of its tensors: numpy's name of each type and the shape, -1 where it is free.

    ``max_batch``: items that one call may carry; None where the server sets no limit.
    """

    inputs: Mapping[str, tuple[str, tuple[int, ...]]]
    outputs: Mapping[str, tuple[str, tuple[int, ...]]]
    max_batch: int | None = None


class Backend(Protocol):
    """A model server: which versions it has, and what they say."""

    @property
    def server(self) -> Server:
        """The kind of server, as detector.yaml names it."""
        ...

    @property
    def loads_together(self) -> bool:
        """Whether a load of one version reads the files of the model's other versions again."""
        ...

    def members(self) -> Sequence[Backend]:
        """The servers behind it, each by itself: more than one where there are replicas."""
        ...

    @property
    def waiting(self) -> int:
        """Batches that wait here, because the server has as many as it is given at once."""
        ...

    async def alive(self) -> bool:
        """Whether the server answers at all; never raises."""
        ...

    async def ready(self, model: str, version: int) -> bool:
        """Whether one version is loaded.

        Raises:
            BackendUnavailable: the server cannot be reached.
        """
        ...

    async def describe(self, call: ModelCall) -> Signature:
        """The tensors of a loaded version.

        Raises:
            BackendError: it cannot be asked, or has no such signature.
        """
        ...

    async def serve(self, wanted: Mapping[str, Wanted]) -> Served:
        """Have the server load these versions of these models and unload their others; return once it has tried.

        A version that is loaded and still wanted goes on serving all the while. Models that are not named are
        unloaded, where nobody else is known to want them.

        Raises:
            BackendError: the server cannot be told at all, or what it does with it is not known.
        """
        ...

    async def revive(self, model: str, versions: Versions) -> None:
        """Load a model afresh whose versions are reported as loaded but do not answer.

        Raises:
            BackendError: it could not be done.
        """
        ...

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        """P(fake) of each item, float32 [N], for one batch no larger than the model's maximum.

        Raises:
            BackendError: there is no score.
        """
        ...

    async def infer_with_heatmaps(self, call: ModelCall, batch: NDArray[np.generic]) -> Explained:
        """The same, and the heatmap of each item; for graphs whose manifest names one.

        Raises:
            BackendError: there is no score, or no heatmap.
        """
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...


def heatmap_output(call: ModelCall) -> str:
    """The name of the output that holds the heatmap.

    Raises:
        BackendRefused: the manifest names none.
    """
    if call.tensors.heatmap is None:
        raise BackendRefused(f"{call.model} has no heatmap in its graph")
    return call.tensors.heatmap


def as_heatmaps(model: str, maps: NDArray[np.generic], items: int) -> NDArray[np.float32]:
    """Check what a graph answered: finite, floating point, [N, h, w], one for each item.

    Raises:
        BackendRefused: it is something else; the answer is not used.
    """
    if maps.ndim != 3 or maps.shape[0] != items or max(maps.shape[1:]) > _MOST_CELLS:
        raise BackendRefused(f"{model} answered heatmaps of shape {maps.shape} for {items} items")
    if not np.issubdtype(maps.dtype, np.floating) or not bool(np.isfinite(maps).all()):
        raise BackendRefused(f"{model} answered heatmaps that are not finite")
    return np.asarray(maps, dtype=np.float32)


def as_probabilities(model: str, scores: NDArray[np.generic], items: int) -> NDArray[np.float32]:
    """Check what a graph answered: float [N] or [N, 1], in [0, 1], one for each item.

    Raises:
        BackendRefused: it is something else; the answer is not used.
    """
    if not np.issubdtype(scores.dtype, np.floating):
        raise BackendRefused(f"{model} answered a tensor of {scores.dtype}, not of floating point")
    flat = np.asarray(scores, dtype=np.float32).reshape(-1)
    if scores.ndim > 2 or flat.shape[0] != items:
        raise BackendRefused(f"{model} answered a tensor of shape {scores.shape} for {items} items")
    if bool(np.any(np.isnan(flat))):
        raise BackendRefused(f"{model} answered NaN, which is not a probability")
    if not bool(np.all((flat >= 0.0) & (flat <= 1.0))):
        worst = float(flat[np.argmax(np.abs(flat - 0.5))])
        raise BackendRefused(f"{model} answered {worst:.4g}, which is not a probability: it lies outside [0, 1]")
    return flat
