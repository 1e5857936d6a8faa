"""One detector and one bundle: whether it can look at this media, and what it says."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Medium, MissingReason, SoundSpec, TensorBundle

from telltale_gateway.analysis.aggregation import Aggregated, aggregate
from telltale_gateway.analysis.verdict import Status
from telltale_gateway.rollout import Deployed, Dispatcher, DispatchFailed
from telltale_gateway.tracing import call_span

_log = logging.getLogger(__name__)

# Where there is nothing of a kind there can be no forgery of that kind; a face that is there but cannot be judged is
# another matter.
_ABSENT: frozenset[MissingReason] = frozenset({"no_face", "no_audio", "no_speech", "no_picture"})


@dataclass(frozen=True)
class Items:
    """The items that a detector scored: the frame (of a sound, the segment) and the face track of each, int32 [N]."""

    frame: NDArray[np.int32]
    track: NDArray[np.int32]


@dataclass(frozen=True)
class Outcome:
    """What one detector said. ``aggregated`` and ``items`` are there exactly when ``status`` is "scored".

    ``unmeasured``: it says nothing because its version was never measured on this medium, or found wanting.
    ``instead_of``: a version that was asked before the one of ``deployed``, and could not answer.
    """

    deployed: Deployed
    status: Status
    reason: str | None = None
    missing: MissingReason | None = None
    unmeasured: bool = False
    aggregated: Aggregated | None = None
    items: Items | None = None
    latency_ms: float | None = None
    instead_of: int | None = None

    @property
    def absent(self) -> bool:
        """Whether the media cannot carry the forgery at all."""
        return self.missing in _ABSENT

    @property
    def key(self) -> str:
        """The key of this detector's tensor in the bundle."""
        return self.deployed.manifest.input.key()


def medium_of(deployed: Deployed, bundle: TensorBundle) -> Medium:
    """What this detector looks at in this media, as version cards name it."""
    if isinstance(deployed.manifest.input, SoundSpec):
        return "speech"
    return "image" if bundle.metadata.media.kind == "image" else "video"


async def score(deployed: Deployed, bundle: TensorBundle, dispatcher: Dispatcher, timeout_s: float) -> Outcome:
    """Ask one detector; whatever goes wrong with its server becomes the outcome "failed", never a number."""
    # What does not apply is no failure, whatever state its server is in.
    key = deployed.manifest.input.key()
    for missing in bundle.metadata.missing:
        if missing.key == key:
            return Outcome(deployed, "not_applicable", missing.detail, missing.reason)
    medium = medium_of(deployed, bundle)
    if deployed.card is not None and not deployed.card.measured_on(medium):
        excluded = deployed.card.excluded.get(medium)
        why = f"does not vote on {medium}: {excluded}" if excluded else f"was never measured on {medium}"
        reason = f"version {deployed.version} {why}"
        return Outcome(deployed, "not_applicable", reason, unmeasured=True)
    if not deployed.readiness.ready or deployed.backend is None or deployed.card is None:
        return Outcome(deployed, "failed", deployed.readiness.reason)
    tensor = bundle.tensors.get(key)
    if tensor is None or tensor.shape[0] == 0:
        return Outcome(deployed, "failed", "preprocessing gave no tensor for it, and no reason")
    counted = counted_items(deployed, bundle)
    items = Items(bundle.frame[key][counted], bundle.track[key][counted])
    # Picked out they would be copied, megabytes of them.
    asked = tensor if counted.size == tensor.shape[0] else tensor[counted]
    started = time.perf_counter()
    try:
        with call_span("detect", detector=deployed.name, version=deployed.version, server=deployed.manifest.server):
            answered = await dispatcher.ask(deployed, asked, timeout_s, lambda card: card.measured_on(medium))
    except DispatchFailed as error:
        _log.warning("%s %d failed: %s", deployed.name, error.deployed.version, error)
        return Outcome(error.deployed, "failed", str(error), latency_ms=_since(started))
    by = answered.deployed
    if by.card is None:
        raise RuntimeError("a version answered without a release")
    aggregated = aggregate(answered.scores, items.track, by.card.calibration, by.manifest.aggregation)
    return Outcome(
        by, "scored", aggregated=aggregated, items=items, latency_ms=_since(started), instead_of=answered.instead_of
    )


def counted_items(deployed: Deployed, bundle: TensorBundle) -> NDArray[np.intp]:
    """Which items of its tensor a detector is asked about: all, but of a sound only those in which somebody speaks."""
    key = deployed.manifest.input.key()
    if not isinstance(deployed.manifest.input, SoundSpec):
        return np.arange(bundle.tensors[key].shape[0])
    segments = bundle.metadata.segments[key]
    speech = np.array([segments[index].speech for index in bundle.frame[key]])
    return np.flatnonzero(speech >= min(deployed.manifest.aggregation.min_speech, speech.max()))


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000.0
