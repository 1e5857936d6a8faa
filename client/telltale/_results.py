"""What comes back, typed. Scores are probabilities in [0, 1], times are seconds, boxes pixels of the upright frame.

What a newer gateway adds is kept in ``raw`` and breaks nothing; what an answer must have and lacks is an error.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Word = Literal["FAKE", "REAL", "UNCERTAIN"]
Label = Literal["fake", "real", "uncertain"]


class UnexpectedAnswer(Exception):
    """The answer is not of the shape that this version of the client knows."""


@dataclass(frozen=True)
class DetectorResult:
    """What one detector said, or why it said nothing; numbers only where it looked."""

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
    latency_ms: float | None = None
    artifact_sha256: str | None = None


@dataclass(frozen=True)
class FaceScore:
    """One face in one frame; ``box`` is x, y, width, height."""

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
    """One person over time."""

    track: int
    score: float | None
    first_t: float
    last_t: float
    frames: int
    quality: float


@dataclass(frozen=True)
class AudioSegment:
    """One stretch of sound."""

    start: float
    end: float
    score: float


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
    explanation: tuple[str, ...]
    degraded: bool
    version: str
    latency_ms: float
    timings_ms: Mapping[str, float]
    meta: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class AudioDetection:
    """The answer of ``detect_audio``; ``details``: audio_duration, sample_rate, features_extracted."""

    prediction: Word
    confidence: float
    model: str
    processing_time: float
    details: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class ImageDetection:
    """The answer of ``detect_image``; ``details``: face_locations, image_size, manipulation_regions."""

    prediction: Word
    confidence: float
    model: str
    processing_time: float
    faces_detected: int
    details: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class VideoDetection:
    """The answer of ``detect_video``; ``details``: video_duration, fps, temporal_consistency, suspicious_frames."""

    prediction: Word
    confidence: float
    model: str
    processing_time: float
    frames_analyzed: int
    details: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class PartialScore:
    """What one of several media said."""

    prediction: Word
    confidence: float
    weight: float


@dataclass(frozen=True)
class MultimodalDetection:
    """The answer of ``detect_multimodal``, over all media that were given."""

    final_prediction: Word
    confidence: float
    individual_scores: Mapping[str, PartialScore]
    fusion_method: str
    processing_time: float
    explanation: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False, compare=False)


def read(kind: type[T], answer: Any) -> T:
    """An answer as one of the types above.

    Raises:
        UnexpectedAnswer: it lacks something that the type must have.
    """
    if not isinstance(answer, dict):
        raise UnexpectedAnswer(f"{kind.__name__} should be an object, and is {type(answer).__name__}")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for each in fields(kind):  # type: ignore[arg-type]  # every kind is a dataclass
        if each.name == "raw":
            values["raw"] = answer
        elif each.name in answer:
            values[each.name] = _value(hints[each.name], answer[each.name])
        elif each.default is MISSING:
            raise UnexpectedAnswer(f"{kind.__name__} lacks {each.name}; is the gateway older than this client?")
    return kind(**values)


def _value(hint: Any, value: Any) -> Any:
    """A value of an answer as its type wants it: objects as dataclasses, arrays as tuples."""
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        return None if value is None else _value(arguments[0], value)
    if is_dataclass(hint) and isinstance(hint, type):
        return read(hint, value)
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_value(arguments[0], item) for item in value)
    if typing.get_origin(hint) is not Literal and len(arguments) == 2 and isinstance(value, dict):
        return {key: _value(arguments[1], item) for key, item in value.items()}
    return value
