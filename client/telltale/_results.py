"""What the endpoints of one kind of media answer, and that of several, typed; ``raw`` is the whole answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Word = Literal["FAKE", "REAL", "UNCERTAIN"]


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
