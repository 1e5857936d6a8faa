"""Telltale over HTTP: for programs, and as the `telltale` command.

with Detector("http://127.0.0.1:8000") as detector:
    verdict = detector.predict("clip.mp4")
    print(verdict.label, verdict.score, *verdict.explanation, sep="\\n")
"""

from telltale._detector import AsyncDetector, Detector
from telltale._gateway import Gateway, GatewayProblem
from telltale._local import CannotStart
from telltale._reading import UnexpectedAnswer
from telltale._results import AudioDetection, ImageDetection, MultimodalDetection, PartialScore, VideoDetection
from telltale._verdict import (
    Agreement,
    AudioSegment,
    DetectorResult,
    FaceScore,
    Findings,
    FrameSample,
    Heatmap,
    Region,
    Rules,
    SuspiciousStretch,
    Temporal,
    TrackScore,
    Unheard,
    Verdict,
)

__all__ = [
    "Agreement",
    "AsyncDetector",
    "AudioDetection",
    "AudioSegment",
    "CannotStart",
    "Detector",
    "DetectorResult",
    "FaceScore",
    "Findings",
    "FrameSample",
    "Gateway",
    "GatewayProblem",
    "Heatmap",
    "ImageDetection",
    "MultimodalDetection",
    "PartialScore",
    "Region",
    "Rules",
    "SuspiciousStretch",
    "Temporal",
    "TrackScore",
    "UnexpectedAnswer",
    "Unheard",
    "Verdict",
    "VideoDetection",
]
