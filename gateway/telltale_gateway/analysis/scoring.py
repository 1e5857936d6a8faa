"""One detector and one bundle: whether it can look at this media, and what it says."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from telltale_contracts import Medium, MissingReason, SoundSpec, TensorBundle

from telltale_gateway.analysis.aggregation import Aggregated, aggregate
from telltale_gateway.analysis.verdict import Status
from telltale_gateway.rollout import Deployed
from telltale_gateway.serving import BackendError, ModelCall, infer_in_batches

_log = logging.getLogger(__name__)

# Where there is nothing of a kind there can be no forgery of that kind; a face that is there but cannot be judged is
# another matter.
_ABSENT: frozenset[MissingReason] = frozenset({"no_face", "no_audio", "no_speech", "no_picture"})


@dataclass(frozen=True)
class Outcome:
    """What one detector said. ``aggregated`` is there exactly when ``status`` is "scored".

    ``absent``: the media holds nothing that this detector's forgery could be in.
    """

    deployed: Deployed
    status: Status
    reason: str | None = None
    missing: MissingReason | None = None
    aggregated: Aggregated | None = None
    latency_ms: float | None = None

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


async def score(deployed: Deployed, bundle: TensorBundle, timeout_s: float) -> Outcome:
    """Ask one detector; whatever goes wrong with its server becomes the outcome "failed", never a number."""
    # What does not apply is no failure, whatever state its server is in.
    key = deployed.manifest.input.key()
    for missing in bundle.metadata.missing:
        if missing.key == key:
            return Outcome(deployed, "not_applicable", missing.detail, missing.reason)
    medium = medium_of(deployed, bundle)
    if deployed.card is not None and not deployed.card.measured_on(medium):
        return Outcome(deployed, "not_applicable", f"version {deployed.version} was never measured on {medium}")
    if not deployed.readiness.ready or deployed.backend is None or deployed.card is None:
        return Outcome(deployed, "failed", deployed.readiness.reason)
    tensor = bundle.tensors.get(key)
    if tensor is None or tensor.shape[0] == 0:
        return Outcome(deployed, "failed", "preprocessing gave no tensor for it, and no reason")
    started = time.perf_counter()
    call = ModelCall(deployed.name, deployed.version, deployed.manifest.tensors, timeout_s)
    try:
        raw = await infer_in_batches(deployed.backend, call, tensor, deployed.manifest.max_batch)
    except BackendError as error:
        _log.warning("%s %d failed: %s", deployed.name, deployed.version, error)
        return Outcome(deployed, "failed", str(error), latency_ms=_since(started))
    aggregated = aggregate(raw, bundle.track[key], deployed.card.calibration, deployed.manifest.aggregation)
    return Outcome(deployed, "scored", aggregated=aggregated, latency_ms=_since(started))


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000.0
