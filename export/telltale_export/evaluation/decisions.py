"""Figures of the answers themselves: right or wrong at a threshold, and how far the probabilities can be believed."""

from __future__ import annotations

import numpy as np

from telltale_export.evaluation.metrics import Bools, Floats, Metric

BINS = 10


def at_threshold(threshold: float) -> dict[str, Metric]:
    """Accuracy, precision, recall and F1 when scores at or over a threshold are called fake; NaN where not defined."""

    def cells(scores: Floats, fake: Bools, weights: Floats) -> tuple[float, float, float, float]:
        called = scores >= threshold
        return (
            float(weights[called & fake].sum()),
            float(weights[called & ~fake].sum()),
            float(weights[~called & fake].sum()),
            float(weights[~called & ~fake].sum()),
        )

    def accuracy(scores: Floats, fake: Bools, weights: Floats) -> float:
        hits, alarms, misses, passes = cells(scores, fake, weights)
        return (hits + passes) / (hits + alarms + misses + passes)

    def precision(scores: Floats, fake: Bools, weights: Floats) -> float:
        hits, alarms, _, _ = cells(scores, fake, weights)
        return hits / (hits + alarms) if hits + alarms else float("nan")

    def recall(scores: Floats, fake: Bools, weights: Floats) -> float:
        hits, _, misses, _ = cells(scores, fake, weights)
        return hits / (hits + misses) if hits + misses else float("nan")

    def f1(scores: Floats, fake: Bools, weights: Floats) -> float:
        hits, alarms, misses, _ = cells(scores, fake, weights)
        return 2 * hits / (2 * hits + alarms + misses) if hits + alarms + misses else float("nan")

    return {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}


def brier_score(scores: Floats, fake: Bools, weights: Floats) -> float:
    """The mean square of score minus outcome (Brier 1950); 0 is best, answering 0.5 always gives 0.25."""
    return float(np.average((scores - fake) ** 2, weights=weights))


def expected_calibration_error(scores: Floats, fake: Bools, weights: Floats) -> float:
    """The mean distance between what a bin of scores promises and what it holds, over ten equal bins (Guo 2017)."""
    promised, held, weight = reliability(scores, fake, weights)
    return float(np.average(np.abs(promised - held), weights=weight))


def both_alike(fake: Bools, weights: Floats) -> Floats:
    """Weights [N] of files by which each class sums to one half."""
    return np.asarray(weights * np.where(fake, 0.5 / weights[fake].sum(), 0.5 / weights[~fake].sum()))


def brier_score_at_even_odds(scores: Floats, fake: Bools, weights: Floats) -> float:
    """The Brier score as it would be with as many fakes as genuine media, which a prior of one half expects."""
    return brier_score(scores, fake, both_alike(fake, weights))


def calibration_error_at_even_odds(scores: Floats, fake: Bools, weights: Floats) -> float:
    """The expected calibration error as it would be with as many fakes as genuine media."""
    return expected_calibration_error(scores, fake, both_alike(fake, weights))


def reliability(scores: Floats, fake: Bools, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Of each of ten equal bins that is not empty: the mean score, the share of fakes, and the weight in it."""
    index = np.minimum((scores * BINS).astype(int), BINS - 1)
    weight = np.asarray(np.bincount(index, weights, minlength=BINS), dtype=np.float64)
    filled = weight > 0
    promised = np.bincount(index, weights * scores, minlength=BINS)[filled] / weight[filled]
    held = np.bincount(index, weights * fake, minlength=BINS)[filled] / weight[filled]
    return promised, held, weight[filled]
