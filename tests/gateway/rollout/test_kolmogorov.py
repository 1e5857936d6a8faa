"""The two-sample test against SciPy's, which the gateway does without."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp
from telltale_gateway.rollout.kolmogorov import two_sample


@pytest.mark.parametrize("n", [2, 3, 20, 50, 137, 500])
@pytest.mark.parametrize("shift", [0.0, 0.05, 0.3, 2.0])
@pytest.mark.parametrize("digits", [1, 12], ids=["tied", "untied"])
def test_distance_and_p_are_those_of_the_exact_test(n: int, shift: float, digits: int) -> None:
    draw = np.random.default_rng(n)
    left, right = draw.normal(size=n).round(digits), (draw.normal(size=n) + shift).round(digits)
    expected = ks_2samp(left, right, method="exact")
    distance, p = two_sample(left, right)
    assert distance == pytest.approx(expected.statistic, abs=1e-12)
    assert p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-14)


def test_the_same_scores_are_no_difference_and_others_are_all_of_one() -> None:
    same, apart = np.linspace(0, 1, 10), np.linspace(2, 3, 10)
    assert two_sample(same, same) == (0.0, 1.0)
    # 2 of the 184756 orders of ten and ten keep them apart.
    assert two_sample(same, apart) == (1.0, pytest.approx(2 / 184756))
