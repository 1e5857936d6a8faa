"""Platt scaling finds the distortion that was put in."""

from __future__ import annotations

import numpy as np
import pytest
from telltale_export.calibration import apply_platt, fit_platt, logit
from telltale_export.errors import DataError


def outcomes(odds: np.ndarray, seed: int = 0) -> np.ndarray:
    """Which of the items with these true log-odds are fake."""
    return np.asarray(np.random.default_rng(seed).random(len(odds)) < 1 / (1 + np.exp(-odds)))


def test_a_known_distortion_is_undone() -> None:
    truth = np.random.default_rng(1).normal(0, 2, size=50_000)
    raw = 1 / (1 + np.exp(-(3.0 * truth - 1.0)))  # three times too sure, and one too low
    calibration = fit_platt(raw, outcomes(truth), "made up")

    assert calibration.slope == pytest.approx(1 / 3, rel=0.03)
    assert calibration.intercept == pytest.approx(1 / 3, abs=0.03)
    assert calibration.n == 50_000


def test_the_prior_is_the_share_of_fakes() -> None:
    raw = np.array([0.1, 0.3, 0.6, 0.2, 0.7, 0.9, 0.8, 0.4])
    fake = np.array([False, False, False, False, True, True, False, False])
    assert fit_platt(raw, fake, "made up").prior == pytest.approx(0.25)
    weights = np.where(fake, 3.0, 1.0)
    assert fit_platt(raw, fake, "made up", weights).prior == pytest.approx(0.5)


def test_separable_classes_get_a_finite_slope() -> None:
    raw = np.array([0.1, 0.2, 0.8, 0.9])
    calibration = fit_platt(raw, np.array([False, False, True, True]), "made up")
    assert 0 < calibration.slope < 10
    assert calibration.apply(1.0) < 1.0


def test_one_item_and_many_are_calibrated_alike() -> None:
    raw = np.array([0.0, 0.01, 0.5, 0.99, 1.0])
    calibration = fit_platt(np.array([0.1, 0.4, 0.3, 0.8]), np.array([False, False, True, True]), "made up")
    assert apply_platt(calibration, raw) == pytest.approx([calibration.apply(float(value)) for value in raw])
    assert np.isfinite(logit(raw)).all()


def test_a_score_that_falls_for_fakes_is_refused() -> None:
    with pytest.raises(DataError, match="no higher"):
        fit_platt(np.array([0.9, 0.8, 0.3, 0.1]), np.array([False, False, True, True]), "made up")
    with pytest.raises(DataError, match="one class"):
        fit_platt(np.array([0.9, 0.8]), np.array([True, True]), "made up")
