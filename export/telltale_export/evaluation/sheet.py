"""Scores of labelled media, as they are kept: each file under each treatment, those without a score among them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from telltale_contracts import Forgery

from telltale_export.data import Label, MediaItem, Modality, SplitName
from telltale_export.errors import DataError
from telltale_export.evaluation.families import ScoredSet
from telltale_export.files import write_whole

UNTOUCHED = "untouched"


class _Kept(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, protected_namespaces=())


class DetectorScore(_Kept):
    """What one detector said of one file: its calibrated score, or why it has none."""

    name: str
    version: int
    status: Literal["scored", "not_applicable", "failed"]
    score: float | None = None
    reason: str | None = None


class FileScore(_Kept):
    """One file under one treatment; ``score`` is the subject's P(fake), none where it is missing.

    ``in_question``: the forgeries that shared the prior in /predict.
    """

    path: str
    modality: Modality
    label: Label
    family: str
    source: str
    group: str
    split: SplitName | None
    treatment: str
    score: float | None
    word: Literal["fake", "real", "uncertain"] | None = None
    missing: str | None = None
    reason: str | None = None
    detectors: tuple[DetectorScore, ...] = ()
    in_question: tuple[Forgery, ...] = ()

    @property
    def fake(self) -> bool:
        """Whether it is forged."""
        return self.label == "fake"


class SubjectDetector(_Kept):
    """One detector that took part, as it was served."""

    version: int
    sha256: str
    forgery: Forgery
    weight: float
    prior: float
    threshold: float


class Subject(_Kept):
    """What was evaluated, and where its scores become the word fake."""

    name: str
    asked: str
    threshold: float
    detectors: dict[str, SubjectDetector]


class Sheet(_Kept):
    """All scores of one evaluation; ``warnings`` are what a reader must know of the data before the figures."""

    subject: Subject
    data: str
    left_out: dict[str, int]
    warnings: tuple[str, ...] = ()
    files: tuple[FileScore, ...]

    def of(self, treatment: str = UNTOUCHED) -> tuple[FileScore, ...]:
        """The files under one treatment, missing ones among them."""
        return tuple(each for each in self.files if each.treatment == treatment)

    def write(self, path: Path) -> None:
        """Write it as JSON, by one rename."""
        write_whole(path, self.model_dump_json(indent=1).encode())


def read_sheet(path: Path) -> Sheet:
    """Scores that ``evaluate`` has kept.

    Raises:
        DataError: the file is not there, or is something else.
    """
    try:
        return Sheet.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} holds no scores: {error}.", "Give the scores.json that `evaluate` wrote.") from error


def scored_set(files: Iterable[FileScore]) -> ScoredSet:
    """The files that have a score, as arrays."""
    kept = [(each, each.score) for each in files if each.score is not None]
    return ScoredSet(
        scores=np.array([score for _, score in kept], np.float64),
        fake=np.array([each.fake for each, _ in kept], np.bool_),
        families=np.array([each.family for each, _ in kept], np.str_),
        sources=np.array([each.source for each, _ in kept], np.str_),
        groups=np.array([each.group for each, _ in kept], np.str_),
    )


def missing_file(item: MediaItem, treatment: str, code: str, reason: str) -> FileScore:
    """A file without a score, and why."""
    return file_of(item, treatment, score=None).model_copy(update={"missing": code, "reason": reason})


def file_of(item: MediaItem, treatment: str, score: float | None) -> FileScore:
    """A file and its score."""
    return FileScore(
        path=str(item.path),
        modality=item.modality,
        label=item.label,
        family=item.family,
        source=item.source,
        group=item.group,
        split=item.split,
        treatment=treatment,
        score=score,
    )
