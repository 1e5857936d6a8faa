"""``/detect/audio``, ``/detect/image`` and ``/detect/video``: one endpoint for each kind of media."""

from __future__ import annotations

from fastapi import APIRouter
from telltale_contracts import BundleMetadata

from telltale_gateway.analysis import Verdict
from telltale_gateway.api.dependencies import RequestId, ServicesDep
from telltale_gateway.api.problems import PROBLEMS
from telltale_gateway.api.views.sent import ONE_FILE_AND_MODEL, Options, SentFile, only
from telltale_gateway.api.views.shapes import View, Word, seconds, word

router = APIRouter(prefix="/detect", tags=["views"])


class AudioDetails(View):
    """Seconds, Hz, and the kinds of features that detectors were given."""

    audio_duration: float | None
    sample_rate: int | None
    features_extracted: list[str]


class AudioDetection(View):
    """The answer of ``/detect/audio``; ``processing_time`` in seconds."""

    prediction: Word
    confidence: float
    model: str
    processing_time: float
    details: AudioDetails


class ManipulatedRegion(View):
    """Where a detector saw most of what speaks for a forgery: x1, y1, x2, y2; ``strength`` is its share of it all."""

    detector: str
    box: list[float]
    strength: float


class ImageDetails(View):
    """Boxes as x1, y1, x2, y2 and the size as width, height, in pixels; ``manipulation_regions`` are of detectors whose
    own score reaches the threshold, and empty where the answer is REAL."""

    face_locations: list[list[float]]
    image_size: list[int | None]
    manipulation_regions: list[ManipulatedRegion]


class ImageDetection(View):
    """The answer of ``/detect/image``."""

    prediction: Word
    confidence: float
    model: str
    processing_time: float
    faces_detected: int
    details: ImageDetails


class VideoDetails(View):
    """``temporal_consistency``: 1 - mean absolute difference of successive frames' scores; ``suspicious_frames`` are
    the places of frames in the video whose score is at least the threshold."""

    video_duration: float | None
    fps: float | None
    temporal_consistency: float | None
    suspicious_frames: list[int]


class VideoDetection(View):
    """The answer of ``/detect/video``."""

    prediction: Word
    confidence: float
    model: str
    processing_time: float
    frames_analyzed: int
    details: VideoDetails


def audio_detection(verdict: Verdict, metadata: BundleMetadata) -> AudioDetection:
    """The view of a Verdict on sound."""
    return AudioDetection(
        prediction=word(verdict.label),
        confidence=verdict.confidence,
        model=verdict.version,
        processing_time=seconds(verdict),
        details=AudioDetails(
            audio_duration=metadata.audio.duration_s if metadata.audio else None,
            sample_rate=metadata.media.sample_rate,
            features_extracted=sorted({key.rpartition("-")[0] for key in metadata.segments}),
        ),
    )


def image_detection(verdict: Verdict) -> ImageDetection:
    """The view of a Verdict on a picture."""
    faces = [face for frame in verdict.frame_samples for face in frame.faces]
    return ImageDetection(
        prediction=word(verdict.label),
        confidence=verdict.confidence,
        model=verdict.version,
        processing_time=seconds(verdict),
        faces_detected=len(faces),
        details=ImageDetails(
            face_locations=[corners(face.box) for face in faces],
            image_size=[verdict.meta.width, verdict.meta.height],
            manipulation_regions=manipulated(verdict),
        ),
    )


def manipulated(verdict: Verdict) -> list[ManipulatedRegion]:
    """The regions of those detectors that call the picture forged; none of a picture that is called real.

    A heatmap has a strongest cell whatever its detector says: of one that scores below the threshold it shows what
    speaks least against a forgery, which is no manipulation.
    """
    if verdict.label == "real":
        return []
    calling = {each.name for each in verdict.detectors if each.score is not None and each.score >= verdict.threshold}
    return [
        ManipulatedRegion(detector=region.detector, box=corners(region.box), strength=region.share)
        for region in verdict.findings.regions
        if region.detector in calling
    ]


def video_detection(verdict: Verdict, metadata: BundleMetadata) -> VideoDetection:
    """The view of a Verdict on a video."""
    steady = verdict.findings.temporal
    return VideoDetection(
        prediction=word(verdict.label),
        confidence=verdict.confidence,
        model=verdict.version,
        processing_time=seconds(verdict),
        frames_analyzed=len(verdict.frame_samples),
        details=VideoDetails(
            video_duration=verdict.meta.duration_s,
            fps=verdict.meta.src_fps,
            temporal_consistency=steady.consistency if steady else None,
            suspicious_frames=suspicious_frames(verdict, metadata),
        ),
    )


def suspicious_frames(verdict: Verdict, metadata: BundleMetadata) -> list[int]:
    """The places in the video of the frames whose score is at least the threshold."""
    return [
        seen.index
        for seen, sample in zip(metadata.frames, verdict.frame_samples, strict=True)
        if sample.score is not None and sample.score >= verdict.threshold
    ]


def corners(box: tuple[float, float, float, float]) -> list[float]:
    """x, y, width, height as x1, y1, x2, y2."""
    x, y, width, height = box
    return [x, y, x + width, y + height]


@router.post("/audio", openapi_extra=ONE_FILE_AND_MODEL, responses=PROBLEMS)
async def detect_audio(
    sent: SentFile, options: Options, services: ServicesDep, request_id: RequestId
) -> AudioDetection:
    """Judge the sound of a recording, also of a video."""
    study = await services.analyzer.study(sent.media, sent.options(options), request_id=request_id, senses="hearing")
    services.telemetry.observe(study.verdict)
    return audio_detection(study.verdict, study.bundle.metadata)


@router.post("/image", openapi_extra=ONE_FILE_AND_MODEL, responses=PROBLEMS)
async def detect_image(
    sent: SentFile, options: Options, services: ServicesDep, request_id: RequestId
) -> ImageDetection:
    """Judge a picture; its regions need heatmaps, so these are always asked for."""
    study = await services.analyzer.study(
        sent.media, sent.options(options), request_id=request_id, only=only("image"), explain=True
    )
    services.telemetry.observe(study.verdict)
    return image_detection(study.verdict)


@router.post("/video", openapi_extra=ONE_FILE_AND_MODEL, responses=PROBLEMS)
async def detect_video(
    sent: SentFile, options: Options, services: ServicesDep, request_id: RequestId
) -> VideoDetection:
    """Judge a video, its sound included."""
    study = await services.analyzer.study(sent.media, sent.options(options), request_id=request_id, only=only("video"))
    services.telemetry.observe(study.verdict)
    return video_detection(study.verdict, study.bundle.metadata)
