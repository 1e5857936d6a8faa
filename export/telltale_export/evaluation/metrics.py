"""Figures of ranking (AUC, equal error rate, ...), and bootstrap intervals that resample groups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Metric = Callable[[Floats, Bools, Floats], float]
_ROUNDING = 1e-12
# Below, percentiles of a bootstrap over groups cover less often than they say.
FEW_GROUPS = 20


def area_under_roc(scores: Floats, fake: Bools, weights: Floats | None = None) -> float:
    """The chance that a fake scores above a real one, ties counted half; [0, 1].

    Raises:
        ValueError: only one class is there.
    """
    false_alarm, hit = roc(scores, fake, weights)
    return float(np.sum(np.diff(false_alarm) * (hit[1:] + hit[:-1]) / 2.0))


def equal_error_rate(scores: Floats, fake: Bools, weights: Floats | None = None) -> float:
    """Where false alarms and misses are equally frequent, interpolated along the ROC curve; [0, 1].

    Raises:
        ValueError: only one class is there.
    """
    false_alarm, hit = roc(scores, fake, weights)
    gap = false_alarm - (1.0 - hit)
    # The gap rises from -1 at (0, 0) to 1 at (1, 1): the first point at or above zero closes the crossing.
    above = int(np.argmax(gap >= 0.0))
    if gap[above] == 0.0 or above == 0:
        return float(false_alarm[above])
    step = -gap[above - 1] / (gap[above] - gap[above - 1])
    return float(false_alarm[above - 1] + step * (false_alarm[above] - false_alarm[above - 1]))


def false_alarms_at_95(scores: Floats, fake: Bools, weights: Floats | None = None) -> float:
    """The false alarm rate at the highest threshold that finds at least 95 % of the fakes; [0, 1].

    Raises:
        ValueError: only one class is there.
    """
    false_alarm, hit = roc(scores, fake, weights)
    return float(false_alarm[np.argmax(hit >= 0.95 - _ROUNDING)])


def average_precision(scores: Floats, fake: Bools, weights: Floats | None = None) -> float:
    """Precision averaged over the fakes in the order of their scores, ties taken together; [0, 1].

    It depends on the share of fakes: of scores that say nothing it is that share.

    Raises:
        ValueError: only one class is there.
    """
    alarms, hits = _counts(scores, fake, weights)
    precision = hits / (hits + alarms)
    return float(np.sum(np.diff(np.append(0.0, hits)) * precision) / hits[-1])


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
    found = bootstrap_intervals({"": metric}, scores, fake, groups, level=level, rounds=rounds, seed=seed)[""]
    if found is None:
        raise ValueError("the figure is not defined")
    return found


def bootstrap_intervals(
    metrics: Mapping[str, Metric],
    scores: Floats,
    fake: Bools,
    groups: NDArray[np.str_],
    *,
    level: float = 0.95,
    rounds: int = 1000,
    seed: int = 0,
    shares: Collection[str] = (),
) -> dict[str, Interval | None]:
    """Several figures with intervals from the same draws; none for one that is not defined (NaN), such as the
    precision where nothing was called fake. Arguments and errors as of ``bootstrap_interval``.

    ``shares`` names the figures that are shares of files: where all draws of one are alike, its interval is Wilson's,
    for as many observations as the rarer class has groups.
    """
    values = {name: metric(scores, fake, np.ones(len(scores))) for name, metric in metrics.items()}
    names, index = np.unique(groups, return_inverse=True)
    fewest = min(len(np.unique(index[fake])), len(np.unique(index[~fake])))
    random = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in metrics}
    for _ in range(0 if fewest < 2 else rounds):
        weights = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))[index].astype(float)
        drawn = weights > 0
        if fake[drawn].any() and not fake[drawn].all():
            for name, metric in metrics.items():
                draws[name].append(metric(scores[drawn], fake[drawn], weights[drawn]))
    return {
        name: _interval(value, draws[name], level, fewest if name in shares else None) for name, value in values.items()
    }


def share_interval(chosen: Bools, groups: NDArray[np.str_], *, rounds: int = 1000, seed: int = 0) -> Interval | None:
    """The share of items that are chosen, with its 95 % interval over groups; none where there is no item.

    Where all groups are alike, such as where nothing is chosen, every draw is, too: that says nothing of other groups.
    The interval is then Wilson's, for as many observations as there are groups.

    Args:
        chosen: [N].
        groups: [N].
        rounds: draws.
        seed: of the draws.
    """
    if not len(chosen):
        return None
    names, index = np.unique(groups, return_inverse=True)
    value = float(chosen.mean())
    if len(names) < 2:
        return Interval(value=value, low=0.0, high=1.0)
    count, total = np.bincount(index, chosen.astype(float)), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(names), size=(rounds, len(names)))
    return _interval(value, (count[drawn].sum(axis=1) / total[drawn].sum(axis=1)).tolist(), 0.95, len(names))


def _interval(value: float, draws: Sequence[float], level: float, groups: int | None = None) -> Interval | None:
    """Percentiles of the draws; of a share (with its number of groups) Wilson's interval where the draws are alike."""
    if np.isnan(value):
        return None
    defined = [draw for draw in draws if not np.isnan(draw)]
    if not defined:
        return Interval(value=value, low=0.0, high=1.0, level=level)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    if groups is not None and max(defined) - min(defined) < _ROUNDING:
        low, high = _wilson(value, groups, level)
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value), level=level)


def _wilson(share: float, n: int, level: float) -> tuple[float, float]:
    """The interval of a share of n independent observations (Wilson 1927), within [0, 1]."""
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n**2))) ** 0.5 / (1 + z2 / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def roc(scores: Floats, fake: Bools, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """False alarm rate and hit rate from the strictest threshold, (0, 0), to the loosest, (1, 1).

    Raises:
        ValueError: only one class is there.
    """
    alarms, hits = _counts(scores, fake, weights)
    return np.append(0.0, alarms) / alarms[-1], np.append(0.0, hits) / hits[-1]


def _counts(scores: Floats, fake: Bools, weights: Floats | None) -> tuple[Floats, Floats]:
    """False alarms and hits at each distinct score, from the highest."""
    # The points of scikit-learn's roc_curve, which spends milliseconds on checks in every one of thousands of draws.
    if not fake.any() or fake.all():
        raise ValueError("real and fake media are both needed")
    weights = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(np.where(fake[order], weights[order], 0.0))[last_of_tie]
    alarms = np.cumsum(np.where(fake[order], 0.0, weights[order]))[last_of_tie]
    return alarms, hits
