"""``/predict_video`` and ``/info``: one video, one of two words."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from telltale_contracts import FaceClip, FaceCrop, Sampling

from telltale_gateway.analysis import Verdict
from telltale_gateway.api.dependencies import RequestId, ServicesDep, SettingsDep
from telltale_gateway.api.problems import PROBLEMS
from telltale_gateway.api.views.sent import ONE_FILE_AND_MODEL, Options, SentFile, only
from telltale_gateway.api.views.shapes import View
from telltale_gateway.rollout import Fleet

router = APIRouter(tags=["views"])


class TwoWords(View):
    """``raw_score`` is the fused P(fake); these clients know no third word, so the threshold alone decides."""

    label: Literal["REAL", "DEEPFAKE"]
    raw_score: float
    confidence: float
    is_deepfake: bool


class VideoPrediction(View):
    """The answer of ``/predict_video``."""

    filename: str | None
    prediction: TwoWords
    status: Literal["success"] = "success"


class Info(View):
    """``num_frames`` are looked at when nothing is said; ``face_size`` is the largest crop's, in pixels."""

    status: Literal["ready", "not_ready"]
    device: str
    models: list[str]
    num_frames: int
    face_size: int | None


def video_prediction(verdict: Verdict) -> VideoPrediction:
    """The view of a Verdict."""
    fake = verdict.score >= verdict.threshold
    return VideoPrediction(
        filename=verdict.filename,
        prediction=TwoWords(
            label="DEEPFAKE" if fake else "REAL",
            raw_score=verdict.score,
            confidence=verdict.confidence,
            is_deepfake=fake,
        ),
    )


def info_of(fleet: Fleet, device: str, stale_after_s: float) -> Info:
    """The view of what is live."""
    inputs = [deployed.manifest.input for deployed in fleet.detectors.values()]
    ready = any(deployed.readiness.within(stale_after_s) for deployed in fleet.detectors.values())
    return Info(
        status="ready" if ready else "not_ready",
        device=device,
        models=sorted(fleet.detectors),
        num_frames=Sampling().max_frames,
        face_size=max((spec.size for spec in inputs if isinstance(spec, FaceCrop | FaceClip)), default=None),
    )


@router.post("/predict_video", openapi_extra=ONE_FILE_AND_MODEL, responses=PROBLEMS)
async def predict_video(
    sent: SentFile, options: Options, services: ServicesDep, request_id: RequestId
) -> VideoPrediction:
    """Call a video real or a deepfake."""
    study = await services.analyzer.study(sent.media, sent.options(options), request_id=request_id, only=only("video"))
    services.telemetry.observe(study.verdict)
    return video_prediction(study.verdict)


@router.get("/info")
async def info(services: ServicesDep, settings: SettingsDep) -> Info:
    """What answers, and on what."""
    return info_of(services.reconciler.fleet, settings.device, settings.reconcile.stale_after_s)
