"""AUC, equal error rate, and bootstrap intervals that resample groups."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Metric = Callable[[Floats, Bools, Floats], float]


def area_under_roc(scores: Floats, fake: Bools, weights: Floats | None = None) -> float:
    """The chance that a fake scores above a real one, ties counted half; [0, 1].

    Raises:
        ValueError: only one class is there.
    """
    false_alarm, hit = _roc(scores, fake, weights)
    return float(np.sum(np.diff(false_alarm) * (hit[1:] + hit[:-1]) / 2.0))


def equal_error_rate(scores: Floats, fake: Bools, weights: Floats | None = None) -> float:
    """Where false alarms and misses are equally frequent, interpolated along the ROC curve; [0, 1].

    Raises:
        ValueError: only one class is there.
    """
    false_alarm, hit = _roc(scores, fake, weights)
    gap = false_alarm - (1.0 - hit)
    # The gap rises from -1 at (0, 0) to 1 at (1, 1): the first point at or above zero closes the crossing.
    above = int(np.argmax(gap >= 0.0))
    if gap[above] == 0.0 or above == 0:
        return float(false_alarm[above])
    step = -gap[above - 1] / (gap[above] - gap[above - 1])
    return float(false_alarm[above - 1] + step * (false_alarm[above] - false_alarm[above - 1]))


def bootstrap_interval(
    metric: Metric,
    scores: Floats,
    fake: Bools,
    groups: NDArray[np.str_],
    *,
    level: float = 0.95,
    rounds: int = 1000,
    seed: int = 0,
) -> Interval:
    """A figure with its percentile interval when whole groups are drawn with replacement (Efron 1979).

    Items of one group (one speaker, one sentence) are not independent, so items must not be drawn one by one. Draws
    that hold one class only are left out. Where a class comes from a single group nothing can be said of other groups,
    and the interval is [0, 1].

    Args:
        metric: ``metric(scores, fake, weights)``, in [0, 1].
        scores: [N].
        fake: [N].
        groups: [N], the name of each item's group.
        level: the interval's coverage.
        rounds: draws.
        seed: of the draws.

    Raises:
        ValueError: only one class is there.
    """
    value = metric(scores, fake, np.ones(len(scores)))
    names, index = np.unique(groups, return_inverse=True)
    if min(len(np.unique(index[fake])), len(np.unique(index[~fake]))) < 2:
        return Interval(value=value, low=0.0, high=1.0, level=level)
    random = np.random.default_rng(seed)
    draws = []
    for _ in range(rounds):
        weights = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))[index].astype(float)
        drawn = weights > 0
        if fake[drawn].any() and not fake[drawn].all():
            draws.append(metric(scores[drawn], fake[drawn], weights[drawn]))
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value), level=level)


def _roc(scores: Floats, fake: Bools, weights: Floats | None) -> tuple[Floats, Floats]:
    # The points of scikit-learn's roc_curve, which spends milliseconds on checks in every one of thousands of draws.
    if not fake.any() or fake.all():
        raise ValueError("real and fake media are both needed")
    weights = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(np.where(fake[order], weights[order], 0.0))[last_of_tie]
    alarms = np.cumsum(np.where(fake[order], 0.0, weights[order]))[last_of_tie]
    return np.append(0.0, alarms) / alarms[-1], np.append(0.0, hits) / hits[-1]
