from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp
from telltale_gateway.rollout.kolmogorov import kolmogorov_smirnov


@pytest.mark.parametrize("n", [50, 200, 500])
@pytest.mark.parametrize("shift", [0.0, 0.02, 0.1, 0.3])
def test_it_says_what_scipy_says(n: int, shift: float) -> None:
    rng = np.random.default_rng(n)
    left, right = rng.beta(2, 5, n), np.clip(rng.beta(2, 5, n) + shift, 0, 1)
    distance, p = kolmogorov_smirnov(left, right)
    theirs = ks_2samp(left, right, method="asymp")
    assert distance == pytest.approx(theirs.statistic)
    # Both are approximations; what is decided by them lies orders of magnitude apart.
    assert np.log10(max(p, 1e-12)) == pytest.approx(np.log10(max(theirs.pvalue, 1e-12)), abs=0.5, rel=0.1)


def test_the_same_scores_differ_in_nothing() -> None:
    scores = np.linspace(0, 1, 60)
    assert kolmogorov_smirnov(scores, scores) == (0.0, 1.0)
