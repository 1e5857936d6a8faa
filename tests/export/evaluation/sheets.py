"""Scores as an evaluation would keep them, made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from telltale_contracts import Forgery
from telltale_export.data import Label, MediaItem, Modality
from telltale_export.evaluation.sheet import (
    UNTOUCHED,
    DetectorScore,
    FileScore,
    Sheet,
    Subject,
    SubjectDetector,
    file_of,
    missing_file,
)


def made_item(number: int, label: Label, family: str, modality: Modality = "audio", source: str = "demo") -> MediaItem:
    """A medium that is nowhere."""
    return MediaItem(Path(f"{family}-{number}"), modality, label, family, source, f"g{number}", "none")


def made_detector(forgery: Forgery, weight: float = 1.0, prior: float = 0.5) -> SubjectDetector:
    """A detector that nobody serves."""
    return SubjectDetector(version=3, sha256="0" * 64, forgery=forgery, weight=weight, prior=prior, threshold=0.5)


def made_sheet(groups: int = 20) -> Sheet:
    """Sounds of two families, good and bad, untouched and through noise; one file of each kind is missing."""
    random = np.random.default_rng(0)
    files: list[FileScore] = []
    for treatment, noise in ((UNTOUCHED, 0.1), ("noise 20 dB", 1.0)):
        for number in range(groups):
            for label, family, middle in (("real", "bonafide", 0.3), ("fake", "good", 0.8), ("fake", "bad", 0.35)):
                item = made_item(number, "real" if label == "real" else "fake", family)
                score = float(np.clip(middle + noise * random.normal(), 0.01, 0.99))
                files.append(file_of(item, treatment, score))
        for family in ("bonafide", "good", "lost"):
            item = made_item(groups, "real" if family == "bonafide" else "fake", family, source="elsewhere")
            files.append(missing_file(item, treatment, "no_speech", "Nobody speaks in <it>."))
    subject = Subject(name="loudness 3", asked="made up", threshold=0.5, detectors={"loudness": made_detector("voice")})
    return Sheet(
        subject=subject, data="made up", left_out={"the file is empty": 2}, warnings=("Beware.",), files=tuple(files)
    )


def fused_sheet(groups: int = 60) -> Sheet:
    """Pictures judged by two detectors of faces and sounds by one of voices, as /predict does with even priors."""
    random = np.random.default_rng(1)
    detectors = {
        "swap": made_detector("face_swap", 2.0, 0.4),
        "blend": made_detector("face_swap"),
        "voice": made_detector("voice"),
    }
    files = []
    for number in range(groups):
        for label in ("real", "fake"):
            modality: Modality = "audio" if number % 3 == 0 else "image"
            names = ("voice",) if modality == "audio" else ("swap", "blend")
            sign = 1.0 if label == "fake" else -1.0
            scores = {name: float(1 / (1 + np.exp(-(sign + 1.2 * random.normal())))) for name in names}
            item = made_item(number, "real" if label == "real" else "fake", label, modality)
            rows = tuple(DetectorScore(name=n, version=3, status="scored", score=s) for n, s in scores.items())
            found = {"detectors": rows, "in_question": ("voice",) if modality == "audio" else ("face_swap",)}
            files.append(file_of(item, UNTOUCHED, _fused(scores, detectors)).model_copy(update=found))
    subject = Subject(name="/predict", asked="made up", threshold=0.5, detectors=detectors)
    return Sheet(subject=subject, data="made up", left_out={}, files=tuple(files))


def _fused(scores: dict[str, float], detectors: dict[str, SubjectDetector]) -> float:
    """One forgery in question: the weighted mean of log likelihood ratios, at even odds."""
    logs = {
        name: np.log(score / (1 - score)) - np.log(detectors[name].prior / (1 - detectors[name].prior))
        for name, score in scores.items()
    }
    weights = [detectors[name].weight for name in logs]
    return float(1 / (1 + np.exp(-np.average(list(logs.values()), weights=weights))))
