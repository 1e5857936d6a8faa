"""What can be evaluated: the whole of /predict, one detector behind it, or a version on its model server."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from telltale_contracts import DetectorManifest, VersionCard

from telltale_export.data import MediaItem, Modality
from telltale_export.errors import DataError
from telltale_export.evaluation.sheet import (
    DetectorScore,
    FileScore,
    Subject,
    SubjectDetector,
    file_of,
    missing_file,
)
from telltale_export.served.gateway import Gateway, LiveDetector
from telltale_export.served.http import Refused
from telltale_export.served.media import Unseen, file_score, media_of, raw_scores
from telltale_export.served.options import AskedVersion

_MODALITIES: dict[str, Modality] = {"speech": "audio", "image": "image", "video": "video"}


class Scores(Protocol):
    """Something that has a score for media; asked from several threads."""

    @property
    def subject(self) -> Subject:
        """What it is."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The media that it looks at."""

    def score(self, item: MediaItem, path: Path, treatment: str) -> FileScore:
        """The score of one medium, or why there is none; ``path`` is what stands for it under the treatment.

        Raises:
            DataError: who is asked does not answer.
        """


class WholePredict:
    """The fused verdict over all live detectors."""

    def __init__(self, gateway: Gateway, threshold: float | None = None) -> None:
        """``threshold``: where a score becomes fake; one half, which is the gateway's own default, when not given."""
        self._gateway, self._given = gateway, threshold is not None
        live = {name: each for name, each in gateway.detectors().items() if each.live is not None and each.ready}
        if not live:
            raise DataError("No detector of the gateway is live.", "See GET /health.")
        self.subject = Subject(
            name="/predict",
            asked="POST /predict of a gateway, all live detectors",
            threshold=0.5 if threshold is None else threshold,
            detectors={name: described(each.manifest, each.card) for name, each in live.items()},
        )
        self.modalities: tuple[Modality, ...] = ("audio", "image", "video")

    def score(self, item: MediaItem, path: Path, treatment: str) -> FileScore:
        """As of ``Scores``; the word is the verdict's, ``uncertain`` among them."""
        try:
            verdict = self._gateway.predict(path)
        except Refused as refused:
            return missing_file(item, treatment, refused.code, str(refused))
        if not self._given and verdict.threshold != self.subject.threshold:
            raise DataError(
                f"The gateway calls fake what scores {verdict.threshold:g} or more, not {self.subject.threshold:g}.",
                f"Give --threshold {verdict.threshold:g}.",
            )
        rows = tuple(DetectorScore.model_validate(row.model_dump()) for row in verdict.detectors)
        found = {"detectors": rows, "in_question": tuple(verdict.forgeries), "word": verdict.label}
        return file_of(item, treatment, verdict.score).model_copy(update=found)


class DetectorBehindPredict:
    """One live detector, by its row in the verdict."""

    def __init__(self, gateway: Gateway, name: str, threshold: float | None = None) -> None:
        """``threshold``: the card's own when not given."""
        self._gateway = gateway
        known = gateway.detectors()
        if name not in known:
            raise DataError(f"The gateway has no detector {name!r}.", f"It has {', '.join(sorted(known)) or 'none'}.")
        detector: LiveDetector = known[name]
        self._name = name
        self.subject = Subject(
            name=f"{name} {detector.live}",
            asked="its row in POST /predict of a gateway",
            threshold=detector.card.threshold if threshold is None else threshold,
            detectors={name: described(detector.manifest, detector.card)},
        )
        self.modalities = modalities_of(detector.manifest)

    def score(self, item: MediaItem, path: Path, treatment: str) -> FileScore:
        """As of ``Scores``."""
        try:
            verdict = self._gateway.predict(path, self._name)
        except Refused as refused:
            return missing_file(item, treatment, refused.code, str(refused))
        row = next(row for row in verdict.detectors if row.name == self._name)
        rows = (DetectorScore.model_validate(row.model_dump()),)
        found = {"detectors": rows, "in_question": tuple(verdict.forgeries)}
        if row.score is None:
            return missing_file(item, treatment, row.status, row.reason or row.status).model_copy(update=found)
        return file_of(item, treatment, row.score).model_copy(update=found)


class VersionOnServer:
    """A version of a detector, live or not, on a model server; its media come from a preprocess-service."""

    def __init__(self, version: AskedVersion, threshold: float | None = None) -> None:
        """``threshold``: the card's own when not given."""
        manifest, card = version.manifest, version.card
        self._manifest, self._card, self._version = manifest, card, version
        self.subject = Subject(
            name=f"{card.detector} {card.version}",
            asked=version.asked,
            threshold=card.threshold if threshold is None else threshold,
            detectors={card.detector: described(manifest, card)},
        )
        self.modalities = modalities_of(manifest)

    def score(self, item: MediaItem, path: Path, treatment: str) -> FileScore:
        """As of ``Scores``."""
        scored = raw_scores(self._version.viewer, self._version.score, item, path)
        if isinstance(scored, Unseen):
            return missing_file(item, treatment, scored.code, scored.reason)
        score = file_score(scored, self._manifest, self._card.calibration)
        row = DetectorScore(name=self._card.detector, version=self._card.version, status="scored", score=score)
        found = {"detectors": (row,), "in_question": (self._manifest.forgery,)}
        return file_of(item, treatment, score).model_copy(update=found)


def modalities_of(manifest: DetectorManifest) -> tuple[Modality, ...]:
    """The labelled media that a detector looks at."""
    return tuple(_MODALITIES[medium] for medium in media_of(manifest))


def described(manifest: DetectorManifest, card: VersionCard) -> SubjectDetector:
    """A detector as it took part."""
    return SubjectDetector(
        version=card.version,
        sha256=card.artifact.sha256,
        forgery=manifest.forgery,
        weight=manifest.weight,
        prior=card.calibration.prior,
        threshold=card.threshold,
    )
