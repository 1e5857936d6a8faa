"""The two-sample Kolmogorov-Smirnov test, in a few lines: SciPy, which has it too, is 140 MB of a container image."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def kolmogorov_smirnov(left: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[float, float]:
    """The largest distance between the two empirical distributions, and its p by the limit for many samples.

    The limit is Kolmogorov's series, with Stephens' (1970) correction of its argument for samples that are not many.
    """
    both = np.concatenate([left, right])
    distance = float(
        np.abs(
            np.searchsorted(np.sort(left), both, side="right") / len(left)
            - np.searchsorted(np.sort(right), both, side="right") / len(right)
        ).max()
    )
    root = math.sqrt(len(left) * len(right) / (len(left) + len(right)))
    argument = (root + 0.12 + 0.11 / root) * distance
    if argument < 0.2:
        # The series does not converge there, and its sum is 1 to twelve digits.
        return distance, 1.0
    terms = (2.0 * (-1.0) ** (k - 1) * math.exp(-2.0 * k * k * argument * argument) for k in range(1, 101))
    return distance, min(1.0, max(0.0, sum(terms)))
