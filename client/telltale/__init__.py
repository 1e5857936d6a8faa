"""Telltale over HTTP: for programs, and as the `telltale` command.

with Detector("http://127.0.0.1:8000") as detector:
    verdict = detector.predict("clip.mp4")
    print(verdict.label, verdict.score, *verdict.explanation, sep="\\n")
"""

from telltale._detector import AsyncDetector, Detector
from telltale._gateway import Gateway, GatewayProblem
from telltale._local import CannotStart
from telltale._results import (
    AudioDetection,
    AudioSegment,
    DetectorResult,
    FaceScore,
    FrameSample,
    ImageDetection,
    MultimodalDetection,
    PartialScore,
    TrackScore,
    UnexpectedAnswer,
    Verdict,
    VideoDetection,
)

__all__ = [
    "AsyncDetector",
    "AudioDetection",
    "AudioSegment",
    "CannotStart",
    "Detector",
    "DetectorResult",
    "FaceScore",
    "FrameSample",
    "Gateway",
    "GatewayProblem",
    "ImageDetection",
    "MultimodalDetection",
    "PartialScore",
    "TrackScore",
    "UnexpectedAnswer",
    "Verdict",
    "VideoDetection",
]
