"""The canonical answer. Scores are probabilities in [0, 1], times are seconds, boxes pixels of the upright frame."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from telltale_contracts import Forgery, MediaKind, Server

Label = Literal["fake", "real", "uncertain"]
Status = Literal["scored", "not_applicable", "failed"]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False, protected_namespaces=())


class DetectorResult(_Answer):
    """What one detector said, or why it said nothing; numbers only where it looked."""

    name: str
    version: int
    forgery: Forgery
    server: Server
    artifact_sha256: str | None
    status: Status
    reason: str | None = None
    raw_score: float | None = Field(default=None, description="aggregated over items before calibration")
    score: float | None = Field(default=None, description="calibrated P(fake)")
    weight: float
    contribution: float | None = Field(
        default=None, description="change of the fused log-odds when this detector is left out"
    )
    items: int = 0
    latency_ms: float | None = None
    instead_of: int | None = Field(
        default=None, description="the version that was asked first and could not answer this request"
    )


class FaceScore(_Answer):
    """One face in one frame; no score where no face detector could look at it."""

    track: int
    box: tuple[float, float, float, float]
    score: float | None


class FrameSample(_Answer):
    """One frame that was looked at; its score is that of its most suspicious part, face or whole picture."""

    t: float
    score: float | None
    faces: tuple[FaceScore, ...]


class TrackScore(_Answer):
    """One person over time."""

    track: int
    score: float | None
    first_t: float
    last_t: float
    frames: int
    quality: float
    thumbnail: str | None = None


class AudioSegment(_Answer):
    """One stretch of sound."""

    start: float
    end: float
    score: float


class Meta(_Answer):
    """What the media is, and how it was sampled."""

    src_fps: float | None
    total_frames: int | None
    used_step: int | None
    face_frames: int
    face_detect_rate: float | None
    duration_s: float | None
    width: int | None
    height: int | None
    container: str
    video_codec: str | None
    audio_codec: str | None
    variable_frame_rate: bool | None


class Verdict(_Answer):
    """Whether one upload is fake, how sure that is, and who said so."""

    id: str
    label: Label
    score: float = Field(ge=0.0, le=1.0, description="fused P(fake)")
    confidence: float = Field(ge=0.5, le=1.0, description="max(score, 1 - score)")
    threshold: float
    is_deepfake: bool
    modality: MediaKind
    filename: str | None
    sha256: str
    forgeries: dict[Forgery, float]
    untested: tuple[Forgery, ...]
    detectors: tuple[DetectorResult, ...]
    frame_samples: tuple[FrameSample, ...]
    tracks: tuple[TrackScore, ...]
    audio_segments: tuple[AudioSegment, ...]
    explanation: tuple[str, ...]
    degraded: bool
    version: str
    latency_ms: float
    timings_ms: dict[str, float]
    meta: Meta
