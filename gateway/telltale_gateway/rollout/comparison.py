"""Two versions on the same inputs: how their scores differ, and whether that can be chance."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy.stats import ks_2samp

from telltale_gateway.rollout.releases import Release

_KEPT = 500


class Difference(BaseModel):
    """Two versions over ``n`` inputs, each version's score of an input its mean calibrated P(fake).

    ``mean`` is of (right - left), ``mean_absolute`` and ``largest`` of its absolute value; ``flipped`` counts inputs on
    which one is at least its threshold and the other is not. ``distance`` and ``p`` are the two-sample
    Kolmogorov-Smirnov test between the distributions of both (Massey 1951), p by its limit for many inputs; none
    below two inputs.
    """

    left: int
    right: int
    n: int
    mean: float | None = None
    mean_absolute: float | None = None
    largest: float | None = None
    flipped: int = 0
    distance: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class _Pair:
    left: float
    right: float
    flipped: bool


class Comparison:
    """The last inputs that two versions of a detector both scored."""

    def __init__(self, left: Release, right: Release) -> None:
        self._left = left
        self._right = right
        self._pairs: deque[_Pair] = deque(maxlen=_KEPT)

    def add(self, left: NDArray[np.float32], right: NDArray[np.float32]) -> None:
        """Take in one input: the raw scores of its items from either version, float32 [N]."""
        a, b = calibrated_mean(self._left, left), calibrated_mean(self._right, right)
        flipped = (a >= self._left.card.threshold) != (b >= self._right.card.threshold)
        self._pairs.append(_Pair(a, b, flipped))

    def difference(self) -> Difference:
        """What the inputs so far show."""
        versions = {"left": self._left.card.version, "right": self._right.card.version}
        if not self._pairs:
            return Difference(**versions, n=0)
        left = np.array([pair.left for pair in self._pairs])
        right = np.array([pair.right for pair in self._pairs])
        gap = right - left
        test = ks_2samp(left, right, method="asymp") if len(gap) > 1 else None
        return Difference(
            **versions,
            n=len(gap),
            mean=float(gap.mean()),
            mean_absolute=float(np.abs(gap).mean()),
            largest=float(np.abs(gap).max()),
            flipped=sum(pair.flipped for pair in self._pairs),
            distance=None if test is None else float(test.statistic),
            p=None if test is None else float(test.pvalue),
        )


def calibrated_mean(release: Release, raw: NDArray[np.float32]) -> float:
    """One input's score by a version: the mean of its items, each calibrated as the version's card says."""
    return sum(release.card.calibration.apply(float(score)) for score in raw) / len(raw)
