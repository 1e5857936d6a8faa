"""Outcomes of detectors, as the fusion and the judgement get them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from telltale_contracts import (
    Aggregation,
    Artifact,
    BundleMetadata,
    Calibration,
    DetectorManifest,
    FaceCrop,
    FaceObservation,
    Forgery,
    Golden,
    MediaFacts,
    MediaKind,
    MissingReason,
    Provenance,
    SampledFrame,
    TensorNames,
    Track,
    VersionCard,
    Waveform,
)
from telltale_gateway.analysis.aggregation import Aggregated
from telltale_gateway.analysis.scoring import Outcome
from telltale_gateway.rollout import CanaryRules, Deployed, Dispatcher, Mirror, Readiness, Release, Usage, Watches

IDENTITY = Calibration(slope=1.0, intercept=0.0, prior=0.5, n=100, fitted_on="nothing: the identity")


def deployed(name: str, forgery: Forgery, *, weight: float = 1.0, min_items: int = 1) -> Deployed:
    """A detector that is ready, without a server behind it."""
    manifest = DetectorManifest(
        name=name,
        description="for tests",
        forgery=forgery,
        server="triton",
        input=Waveform(samples=16_000) if forgery == "voice" else FaceCrop(size=64),
        tensors=TensorNames(input="input", probability="probability"),
        max_batch=8,
        aggregation=Aggregation(),
        weight=weight,
        min_items=min_items,
    )
    card = VersionCard(
        detector=name,
        version=1,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        artifact=Artifact(sha256="0" * 64, files={"model.onnx": "0" * 64}),
        provenance=Provenance(
            architecture="none",
            framework="none",
            parameters=1,
            initialised_from="nothing",
            command="none",
            seed=0,
            data=(),
            split="none",
            output_convention="P(fake)",
        ),
        calibration=IDENTITY,
        golden=Golden(scores=(0.5,), source="none"),
    )
    release = Release(card, np.zeros((1, 4), np.float32))
    return Deployed(manifest, 1, release, None, Readiness(ready=True, reason=None))


def scored(
    name: str, forgery: Forgery, score: float, *, items: int = 4, weight: float = 1.0, min_items: int = 1
) -> Outcome:
    """A detector that gave every item the same score."""
    detector = deployed(name, forgery, weight=weight, min_items=min_items)
    return Outcome(detector, "scored", aggregated=Aggregated(score, score, (score,) * items, {0: score}, 0))


def missing(name: str, forgery: Forgery, reason: MissingReason) -> Outcome:
    """A detector that found nothing to look at."""
    return Outcome(deployed(name, forgery), "not_applicable", f"{reason}, so it says nothing", reason)


def failed(name: str, forgery: Forgery) -> Outcome:
    """A detector whose server is down."""
    return Outcome(deployed(name, forgery), "failed", "triton does not answer")


def unmeasured(name: str, forgery: Forgery) -> Outcome:
    """A detector whose version was never measured on the medium."""
    return Outcome(deployed(name, forgery), "not_applicable", "never measured on video", unmeasured=True)


def metadata(kind: MediaKind = "video", *, quality: float = 0.8, sound: bool = True) -> BundleMetadata:
    """One face in one frame, unless it is sound alone."""
    seen = FaceObservation(
        frame=0,
        box=(10.0, 10.0, 50.0, 50.0),
        score=0.9,
        landmarks=((20.0, 20.0),) * 6,
        eye_distance=24.0,
        sharpness=50.0,
        usable=True,
    )
    track = Track(track=0, observations=(seen,), quality=quality)
    return BundleMetadata(
        media=MediaFacts(kind=kind, container="mp4", audio_codec="aac" if sound and kind != "image" else None),
        frames=() if kind == "audio" else (SampledFrame(index=0, t=0.0),),
        tracks=() if kind == "audio" else (track,),
    )


RULES = CanaryRules(
    min_errors=3,
    max_error_rate=0.1,
    min_requests=20,
    latency_factor=2.0,
    min_pairs=20,
    drift_p=1e-3,
    drift_distance=0.2,
    drift_difference=0.02,
    max_flipped=0.5,
)


def dispatcher(*now: Deployed) -> Dispatcher:
    """A dispatcher over detectors as they are now; nothing works its mirror off."""
    by_name = {each.name: each for each in now}
    return Dispatcher(by_name.get, Mirror(Usage(), 8), Watches(RULES))
