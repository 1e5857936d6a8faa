"""The answer of ``predict``, typed.

Scores are probabilities in [0, 1], times seconds, boxes x, y, width and height in pixels of the upright frame. Each
type has the fields of the gateway's own; what a newer gateway adds is kept in ``raw``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Label = Literal["fake", "real", "uncertain"]


@dataclass(frozen=True)
class Heatmap:
    """Where one item speaks for a forgery, and where against it; ``explain=True`` asks for them.

    ``grid`` lies over ``box`` (None of sound) of the frame at ``t``, rows from the top; of sound it is one row over
    time, or bands from the lowest. Its cells are log-odds of the version's raw score, unbounded: positive speaks for a
    forgery. "class_activation": what each cell adds, its mean and a bias being the log-odds (Zhou 2016). "occlusion":
    by how much the log-odds fall when the cell is covered (Zeiler 2014). ``until`` is where the item ends, of one frame
    the same as ``t``; ``track`` is its face, ``score`` the item's calibrated P(fake).
    """

    method: Literal["class_activation", "occlusion"]
    version: int
    t: float
    until: float
    track: int | None
    box: tuple[float, float, float, float] | None
    score: float
    grid: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class DetectorResult:
    """What one detector said, or why it said nothing; numbers only where it looked.

    ``raw_score`` is aggregated over ``items`` before calibration, ``score`` after it; ``contribution`` is by how much
    the fused log-odds change when this detector is left out. Fewer than ``min_items`` are too little evidence;
    ``tracks`` counts the faces that they are of. ``heatmaps`` are there where they were asked for, the strongest item
    first, and ``heatmaps_missing`` says why there are none. ``instead_of`` is the version that was asked first and
    could not answer.
    """

    name: str
    version: int
    forgery: str
    server: str
    status: Literal["scored", "not_applicable", "failed"]
    reason: str | None = None
    raw_score: float | None = None
    score: float | None = None
    weight: float = 1.0
    contribution: float | None = None
    items: int = 0
    min_items: int = 1
    tracks: int = 0
    latency_ms: float | None = None
    artifact_sha256: str | None = None
    heatmaps: tuple[Heatmap, ...] = ()
    heatmaps_missing: str | None = None
    instead_of: int | None = None


@dataclass(frozen=True)
class FaceScore:
    """One face in one frame; no score where no face detector could look at it."""

    track: int
    box: tuple[float, float, float, float]
    score: float | None = None


@dataclass(frozen=True)
class FrameSample:
    """One frame that was looked at."""

    t: float
    score: float | None
    faces: tuple[FaceScore, ...]


@dataclass(frozen=True)
class TrackScore:
    """One person over time; ``quality`` of the faces is in [0, 1]."""

    track: int
    score: float | None
    first_t: float
    last_t: float
    frames: int
    quality: float
    thumbnail: str | None = None


@dataclass(frozen=True)
class AudioSegment:
    """One stretch of sound."""

    start: float
    end: float
    score: float


@dataclass(frozen=True)
class SuspiciousStretch:
    """Seconds that score at least the threshold, all along; ``peak`` is the highest score among them."""

    of: Literal["picture", "sound"]
    start: float
    end: float
    peak: float


@dataclass(frozen=True)
class Unheard:
    """Seconds of the sound that no detector scored."""

    start: float
    end: float


@dataclass(frozen=True)
class Temporal:
    """How the scores of successive frames go on.

    ``consistency`` is 1 minus the mean absolute difference of successive scores, in [0, 1]; ``slope`` is that of the
    least squares line, a second.
    """

    frames: int
    mean: float
    variance: float
    lowest: float
    highest: float
    consistency: float
    slope: float
    trend: Literal["rising", "falling", "stable"]


@dataclass(frozen=True)
class Region:
    """The part of a frame that speaks most for a forgery, by a heatmap of the detector.

    ``share``, in [0, 1], is of all that the heatmap's positive cells add.
    """

    detector: str
    t: float
    track: int | None
    box: tuple[float, float, float, float]
    share: float


@dataclass(frozen=True)
class Agreement:
    """Detectors that test for the same forgery; ``agreement`` is 1 - (highest - lowest), in [0, 1]."""

    forgery: str
    detectors: tuple[str, ...]
    lowest: float
    highest: float
    agreement: float


@dataclass(frozen=True)
class Findings:
    """What the scores say together.

    ``likeliest`` is a forgery, ``decisive`` the detector that moved the log-odds most, ``face`` the track that scores
    highest. ``unheard`` is empty where no detector listened at all, ``temporal`` None where no frames were scored, and
    ``regions`` need heatmaps. The counts are of frames looked at, and of faces found in them.
    """

    likeliest: str | None
    decisive: str | None
    face: int | None
    suspicious: tuple[SuspiciousStretch, ...]
    unheard: tuple[Unheard, ...]
    temporal: Temporal | None
    regions: tuple[Region, ...]
    agreement: tuple[Agreement, ...]
    frames: int
    frames_without_face: int
    faces: int
    faces_unjudged: int


@dataclass(frozen=True)
class Rules:
    """By which a score becomes "uncertain".

    It is when the score lies inside the band ``uncertain``, when the faces are of less than ``min_face_quality``, and
    when of detectors of one forgery one says at least ``contradiction`` and another at most 1 - ``contradiction``.
    """

    uncertain: tuple[float, float]
    min_face_quality: float
    contradiction: float


@dataclass(frozen=True)
class Verdict:
    """Whether one upload is fake, how sure that is, and who said so; ``raw`` is the whole answer as it came."""

    id: str
    label: Label
    score: float
    confidence: float
    threshold: float
    is_deepfake: bool
    modality: Literal["video", "image", "audio"]
    filename: str | None
    sha256: str
    forgeries: Mapping[str, float]
    untested: tuple[str, ...]
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
    timings_ms: Mapping[str, float]
    meta: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False, compare=False)
