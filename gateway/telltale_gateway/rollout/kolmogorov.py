"""The two-sample Kolmogorov-Smirnov test of two samples of the same size, exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def two_sample(left: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[float, float]:
    """The greatest distance between both empirical distributions, in [0, 1], and its p; both samples are [n], n >= 1.

    p is the probability that two samples of one continuous distribution are at least so far apart. A distance of h / n
    is reached by 2 (C(2n, n - h) - C(2n, n - 2h) + ...) of the C(2n, n) orders that both can come in, the paths that
    reach h (Gnedenko and Korolyuk 1951; Hodges 1958, section 2). With ties p is too large rather than too small.
    """
    n = len(left)
    every = np.concatenate([left, right])
    below = [np.searchsorted(np.sort(sample), every, side="right") for sample in (left, right)]
    steps = int(np.abs(below[0] - below[1]).max())
    return steps / n, _share_of_paths(n, steps)


def _share_of_paths(n: int, steps: int) -> float:
    if steps == 0:
        return 1.0
    total, share, sign = 0.0, 1.0, 1.0
    for reached in range(0, n - steps + 1, steps):
        # From C(2n, n - reached) to C(2n, n - reached - steps), both over C(2n, n).
        for j in range(steps):
            share *= (n - reached - j) / (n + reached + j + 1)
        total += sign * share
        sign = -sign
    return min(1.0, 2.0 * total)
