"""The canonical answer. Scores are probabilities in [0, 1], times are seconds, boxes pixels of the upright frame."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from telltale_contracts import Forgery, MediaKind, Server

Label = Literal["fake", "real", "uncertain"]
Status = Literal["scored", "not_applicable", "failed"]
Trend = Literal["rising", "falling", "stable"]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False, protected_namespaces=())


class Heatmap(_Answer):
    """Where one item speaks for a forgery, and where against it.

    ``grid`` holds rows from the top (of sound: one row, or bands from the lowest) in units of the log-odds of the
    version's raw score; positive speaks for a forgery. "class_activation": what each cell adds, its mean and a bias
    being the log-odds (Zhou 2016). "occlusion": by how much the log-odds fall when the cell is covered (Zeiler 2014).
    """

    method: Literal["class_activation", "occlusion"]
    version: int
    t: float = Field(description="seconds at which the item begins")
    until: float = Field(description="seconds at which it ends; of one frame the same")
    track: int | None = Field(description="the face; none where the item belongs to none")
    box: tuple[float, float, float, float] | None = Field(
        description="the part of the frame at t that the grid covers: x, y, width, height; none of sound"
    )
    score: float = Field(description="calibrated P(fake) of the item")
    grid: tuple[tuple[float, ...], ...]


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
    min_items: int = Field(default=1, description="fewer are too little evidence")
    tracks: int = Field(default=0, description="face tracks that the items are of")
    latency_ms: float | None = None
    heatmaps: tuple[Heatmap, ...] = Field(default=(), description="where they were asked for, the strongest item first")
    heatmaps_missing: str | None = Field(default=None, description="why there are none, where they were asked for")
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


class SuspiciousStretch(_Answer):
    """Seconds that score at least the threshold, all along; ``peak`` is the highest score among them."""

    of: Literal["picture", "sound"]
    start: float
    end: float
    peak: float


class Unheard(_Answer):
    """Seconds of the sound that no detector scored."""

    start: float
    end: float


class Temporal(_Answer):
    """How the scores of successive frames go on."""

    frames: int
    mean: float
    variance: float
    lowest: float
    highest: float
    consistency: float = Field(description="1 - mean absolute difference of successive scores")
    slope: float = Field(description="of the least squares line, a second")
    trend: Trend = Field(description="of that line: whether it changes by 0.1 or more over the frames")


class Region(_Answer):
    """The part of a frame that speaks most for a forgery, by a heatmap of the served model."""

    detector: str
    t: float
    track: int | None
    box: tuple[float, float, float, float] = Field(description="x, y, width, height")
    share: float = Field(description="of all that the heatmap's positive cells add")


class Agreement(_Answer):
    """Detectors that test for the same forgery: how far apart their scores are."""

    forgery: Forgery
    detectors: tuple[str, ...]
    lowest: float
    highest: float
    agreement: float = Field(description="1 - (highest - lowest)")


class Findings(_Answer):
    """What the scores say together; ``decisive`` is the detector that moved the log-odds most, ``face`` the track that
    scores highest."""

    likeliest: Forgery | None
    decisive: str | None
    face: int | None
    suspicious: tuple[SuspiciousStretch, ...]
    unheard: tuple[Unheard, ...] = Field(description="none where no detector listened at all")
    temporal: Temporal | None
    regions: tuple[Region, ...]
    agreement: tuple[Agreement, ...]
    frames: int
    frames_without_face: int
    faces: int
    faces_unjudged: int


class Rules(_Answer):
    """By which a score becomes no word: inside the band, from worse faces, or where detectors contradict."""

    uncertain: tuple[float, float]
    min_face_quality: float
    contradiction: float


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
    findings: Findings
    rules: Rules
    explanation: tuple[str, ...]
    degraded: bool
    version: str
    latency_ms: float
    timings_ms: dict[str, float] = Field(
        description="milliseconds by stage: upload, decode, faces, features, wait (for preprocessing), triton, "
        "tfserving, fuse; and explain, where heatmaps were asked for"
    )
    meta: Meta
