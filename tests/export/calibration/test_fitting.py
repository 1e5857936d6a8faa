"""Every method of calibration finds the distortion that was put in, and the card carries it."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from telltale_contracts import Calibration
from telltale_export.calibration import METHODS, Method, apply_calibration, fit, fit_platt, logit
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
    assert apply_calibration(calibration, raw) == pytest.approx([calibration.apply(float(value)) for value in raw])
    assert np.isfinite(logit(raw)).all()


def test_a_score_that_falls_for_fakes_is_refused() -> None:
    with pytest.raises(DataError, match="no higher"):
        fit_platt(np.array([0.9, 0.8, 0.3, 0.1]), np.array([False, False, True, True]), "made up")
    with pytest.raises(DataError, match="one class"):
        fit_platt(np.array([0.9, 0.8]), np.array([True, True]), "made up")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_alike_for_one_item_and_many_and_survives_the_card(method: Method) -> None:
    odds = np.random.default_rng(2).normal(0, 2, size=400)
    raw = 1 / (1 + np.exp(-2.5 * odds))
    calibration = fit(method, raw, outcomes(odds, 3), "made up")
    calibrated = apply_calibration(calibration, raw)

    assert calibration.method == method
    assert calibrated == pytest.approx([calibration.apply(float(value)) for value in raw])
    assert (np.diff(calibrated[np.argsort(raw)]) >= 0).all()
    assert Calibration.model_validate(calibration.model_dump(mode="json")) == calibration
    # Two and a half times too sure before: the mean square of the error must fall.
    assert np.mean((calibrated - outcomes(odds, 3)) ** 2) < np.mean((raw - outcomes(odds, 3)) ** 2) - 0.01


def test_a_temperature_is_found() -> None:
    truth = np.random.default_rng(1).normal(0, 2, size=50_000)
    calibration = fit("temperature", 1 / (1 + np.exp(-2.0 * truth)), outcomes(truth), "made up")
    assert (1 / calibration.slope, calibration.intercept) == (pytest.approx(2.0, rel=0.03), 0.0)


def test_isotonic_regression_follows_a_bend_and_proves_no_certainty() -> None:
    random = np.random.default_rng(5)
    raw = random.random(4000)
    fake = random.random(4000) < np.where(raw < 0.5, 0.1, 0.6)
    calibration = fit("isotonic", raw, fake, "made up")
    assert calibration.apply(0.25) == pytest.approx(0.1, abs=0.03)
    assert calibration.apply(0.75) == pytest.approx(0.6, abs=0.04)
    certain = fit("isotonic", np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]), "made up")
    assert (certain.apply(0.0), certain.apply(1.0)) == (pytest.approx(1 / 6), pytest.approx(5 / 6))


@pytest.mark.parametrize("method", METHODS)
def test_no_method_takes_scores_that_fall(method: Method) -> None:
    with pytest.raises(DataError, match="no higher"):
        fit(method, np.array([0.9, 0.8, 0.3, 0.1]), np.array([False, False, True, True]), "made up")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "isotonic"}, "has knots"),
        ({"knots": ((0.1, 0.2), (0.3, 0.4))}, "nothing else has"),
        ({"method": "isotonic", "knots": ((0.3, 0.2), (0.1, 0.4))}, "must rise"),
        ({"method": "isotonic", "knots": ((0.1, 0.0), (0.3, 0.4))}, "must rise"),
        ({"method": "isotonic", "slope": 2.0, "knots": ((0.1, 0.2), (0.3, 0.4))}, "slope of isotonic"),
        ({"method": "temperature", "intercept": 1.0}, "no intercept"),
    ],
)
def test_a_calibration_that_contradicts_itself_is_refused(changed: dict[str, object], message: str) -> None:
    sound = {"slope": 1.0, "intercept": 0.0, "prior": 0.5, "n": 1, "fitted_on": "made up"}
    with pytest.raises(ValidationError, match=message):
        Calibration.model_validate(sound | changed)
