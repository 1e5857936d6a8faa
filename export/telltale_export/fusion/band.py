"""The uncertain band: how far from the threshold a score must be for answers to be wrong no more often than wanted."""

from __future__ import annotations

import numpy as np

from telltale_export.calibration import logit
from telltale_export.evaluation.metrics import Bools, Floats


def width_for(target: float, scores: Floats, fake: Bools, threshold: float) -> float | None:
    """The least distance in log-odds at which the answered files are wrong at most so often (selective risk).

    Of all distances the one that answers most (El-Yaniv and Wiener 2010), both classes weighed alike. A risk can only
    be told of at least 1 / target answers.

    Args:
        target: the wanted error rate of the answers.
        scores: fused P(fake) [N].
        fake: [N], of both classes.
        threshold: of the word fake.

    Returns:
        None where no distance is enough.
    """
    distance = np.abs(logit(scores) - logit(np.array([threshold])))
    order = np.argsort(-distance, kind="stable")
    weight = np.where(fake, 0.5 / fake.sum(), 0.5 / (~fake).sum())[order]
    wrong = ((scores >= threshold) != fake)[order]
    risk = np.cumsum(weight * wrong) / np.cumsum(weight)
    # Files at one distance are answered together or not at all.
    last = np.append(np.diff(distance[order]) != 0, True)
    enough = last & (risk <= target) & (np.arange(1, len(risk) + 1) >= 1.0 / target)
    return float(distance[order][np.flatnonzero(enough)[-1]]) if enough.any() else None


def band_of(width: float, threshold: float) -> tuple[float, float]:
    """The scores between which nothing is answered, at that distance in log-odds from the threshold."""
    middle = float(logit(np.array([threshold]))[0])
    low, high = (1.0 / (1.0 + np.exp(-(middle + side * width))) for side in (-1.0, 1.0))
    return float(low), float(high)


def answered(scores: Floats, width: float, threshold: float) -> Bools:
    """Which files [N] get a word."""
    return np.asarray(np.abs(logit(scores) - logit(np.array([threshold]))) >= width, dtype=np.bool_)
