"""What the detectors said of each file, as arrays that every way of fusing reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Forgery

from telltale_export.calibration import logit
from telltale_export.errors import DataError
from telltale_export.evaluation.metrics import Bools, Floats
from telltale_export.evaluation.sheet import FileScore, Sheet


@dataclass(frozen=True)
class Evidence:
    """N files and D detectors; everything about a detector is in the order of ``detectors``.

    ``scores`` [N, D]: calibrated P(fake), NaN where a detector has none. ``log_ratios`` [N, D]: the logarithm of their
    likelihood ratios, 0 where there is no score, as if nothing had been seen. ``in_question`` [N, K]: whether the
    medium can carry the forgery. ``served`` [N]: what /predict answered.
    """

    detectors: tuple[str, ...]
    forgeries: tuple[Forgery, ...]
    forgery_of: tuple[int, ...]
    weights: Floats
    scores: Floats
    log_ratios: Floats
    in_question: Bools
    served: Floats
    fake: Bools
    groups: NDArray[np.str_]

    @property
    def said(self) -> Bools:
        """Where a detector has a score: [N, D]."""
        return np.isfinite(self.scores)

    def where(self, chosen: NDArray[np.intp]) -> Evidence:
        """Some of the files."""
        return Evidence(
            detectors=self.detectors,
            forgeries=self.forgeries,
            forgery_of=self.forgery_of,
            weights=self.weights,
            scores=self.scores[chosen],
            log_ratios=self.log_ratios[chosen],
            in_question=self.in_question[chosen],
            served=self.served[chosen],
            fake=self.fake[chosen],
            groups=self.groups[chosen],
        )


def evidence_of(sheet: Sheet) -> Evidence:
    """The untouched files of a sheet that any detector had a score for.

    Raises:
        DataError: it is of one detector, or of one class.
    """
    subject = sheet.subject
    if len(subject.detectors) < 2:
        raise DataError(
            f"{subject.name} is one detector; there is nothing to fuse.", "Evaluate /predict: leave --detector out."
        )
    files = [each for each in sheet.of() if each.score is not None]
    names = tuple(subject.detectors)
    forgeries = tuple(dict.fromkeys(each.forgery for each in subject.detectors.values()))
    scores = np.array([_scores(each, names) for each in files])
    priors = np.array([subject.detectors[name].prior for name in names])
    fake = np.array([each.fake for each in files], np.bool_)
    if not fake.any() or fake.all():
        raise DataError("The scores are of one class only.", "Evaluate real and fake media.")
    return Evidence(
        detectors=names,
        forgeries=forgeries,
        forgery_of=tuple(forgeries.index(subject.detectors[name].forgery) for name in names),
        weights=np.array([subject.detectors[name].weight for name in names]),
        scores=scores,
        log_ratios=np.where(np.isfinite(scores), logit(np.nan_to_num(scores, nan=0.5)) - logit(priors), 0.0),
        in_question=np.array([[forgery in each.in_question for forgery in forgeries] for each in files], np.bool_),
        served=np.array([each.score for each in files], np.float64),
        fake=fake,
        groups=np.array([each.group for each in files], np.str_),
    )


def _scores(file: FileScore, names: Sequence[str]) -> list[float]:
    said = {row.name: row.score for row in file.detectors if row.status == "scored" and row.score is not None}
    return [said.get(name, float("nan")) for name in names]
