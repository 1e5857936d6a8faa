"""Fit a calibration: Platt scaling, temperature, or isotonic regression."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Calibration

from telltale_export.errors import DataError

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Method = Literal["platt", "temperature", "isotonic"]
METHODS: tuple[Method, ...] = get_args(Method)
_EDGE = 1e-6


def logit(raw: Floats) -> Floats:
    """Log-odds of raw scores [N], kept 1e-6 away from 0 and 1 as ``Calibration.apply`` keeps them."""
    clipped = np.clip(np.asarray(raw, dtype=np.float64), _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(clipped / (1.0 - clipped)))


def fit(
    method: Method,
    raw: Floats,
    fake: Bools,
    fitted_on: str,
    weights: Floats | None = None,
    *,
    independent: int | None = None,
) -> Calibration:
    """Fit one of the methods; see the function of each.

    Raises:
        DataError: one class is missing, or the score does not rise from genuine media to fakes.
    """
    fits: dict[Method, Callable[[Floats, Bools, str, Floats | None, int | None], Calibration]] = {
        "platt": fit_platt,
        "temperature": fit_temperature,
        "isotonic": fit_isotonic,
    }
    return fits[method](raw, fake, fitted_on, weights, independent)


def fit_platt(
    raw: Floats, fake: Bools, fitted_on: str, weights: Floats | None = None, independent: int | None = None
) -> Calibration:
    """Platt scaling on the log-odds of raw scores (Platt 1999), with his targets against overconfidence.

    Platt's targets (n + 1) / (n + 2) and 1 / (n + 2) stand in for 1 and 0, so that two classes that happen to be
    separable do not get an infinite slope.

    Args:
        raw: [N], the model's P(fake) on items that it was not trained on.
        fake: [N].
        fitted_on: which items, for the card.
        weights: [N], how much each item counts; the prior is the weighted share of fakes.
        independent: for how many items all of them count together, such as the number of files that they are of: the
            items of one file are not independent evidence against overconfidence. All N when not given.

    Raises:
        DataError: one class is missing, or the score falls where it should rise.
    """
    weights = _require_classes(raw, fake, weights, independent or len(raw))
    target = _platt_targets(fake, weights)
    model = _logistic(logit(raw), target, weights, intercept=True)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    _require_rise(slope)
    prior = float(weights[fake].sum() / weights.sum())
    return Calibration(slope=slope, intercept=intercept, prior=prior, n=len(raw), fitted_on=fitted_on)


def fit_temperature(
    raw: Floats, fake: Bools, fitted_on: str, weights: Floats | None = None, independent: int | None = None
) -> Calibration:
    """Temperature scaling (Guo 2017): one factor on the log-odds, by the same targets as Platt scaling.

    It moves no score over one half; a model whose scores are all too high stays so. Arguments as for ``fit_platt``.

    Raises:
        DataError: one class is missing, or the score falls where it should rise.
    """
    weights = _require_classes(raw, fake, weights, independent or len(raw))
    model = _logistic(logit(raw), _platt_targets(fake, weights), weights, intercept=False)
    slope = float(model.coef_[0, 0])
    _require_rise(slope)
    prior = float(weights[fake].sum() / weights.sum())
    return Calibration(method="temperature", slope=slope, intercept=0.0, prior=prior, n=len(raw), fitted_on=fitted_on)


def fit_isotonic(
    raw: Floats, fake: Bools, fitted_on: str, weights: Floats | None = None, independent: int | None = None
) -> Calibration:
    """Isotonic regression (Zadrozny and Elkan 2002): the rising line that fits best.

    It stays 1 / (n + 2) away from 0 and 1, as Platt's targets do, n being the independent ones: n items of one class in
    a row prove no certainty. Arguments as for ``fit_platt``; it needs some hundreds of independent items, where Platt
    scaling needs some tens.

    Raises:
        DataError: one class is missing, or the score does not rise.
    """
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 - half a second

    weights = _require_classes(raw, fake, weights, independent or len(raw))
    edge = 1.0 / (float(weights.sum()) + 2.0)
    model = IsotonicRegression(y_min=edge, y_max=1.0 - edge, out_of_bounds="clip")
    model.fit(np.asarray(raw, dtype=np.float64), fake.astype(np.float64), sample_weight=weights)
    if len(model.X_thresholds_) < 2 or model.y_thresholds_[0] == model.y_thresholds_[-1]:
        _require_rise(0.0)
    return Calibration(
        method="isotonic",
        slope=1.0,
        intercept=0.0,
        prior=float(weights[fake].sum() / weights.sum()),
        n=len(raw),
        fitted_on=fitted_on,
        knots=tuple(zip(model.X_thresholds_.tolist(), model.y_thresholds_.tolist(), strict=True)),
    )


def apply_calibration(calibration: Calibration, raw: Floats) -> Floats:
    """Calibrated P(fake) of raw scores [N]: ``Calibration.apply`` for arrays."""
    if calibration.knots is not None:
        return np.asarray(np.interp(raw, *np.array(calibration.knots).T))
    return np.asarray(1.0 / (1.0 + np.exp(-(calibration.slope * logit(raw) + calibration.intercept))))


def _require_classes(raw: Floats, fake: Bools, weights: Floats | None, count: int) -> Floats:
    """Weights [N] that sum to the count."""
    if not fake.any() or fake.all():
        raise DataError("The calibration split holds one class only.", "Give it groups of real and of fake media.")
    weights = np.ones(len(raw)) if weights is None else weights
    return np.asarray(weights * (count / weights.sum()))


def _platt_targets(fake: Bools, weights: Floats) -> Floats:
    n_fake, n_real = float(weights[fake].sum()), float(weights[~fake].sum())
    return np.where(fake, (n_fake + 1.0) / (n_fake + 2.0), 1.0 / (n_real + 2.0))


def _logistic(feature: Floats, target: Floats, weights: Floats, *, intercept: bool) -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - half a second

    # Each item stands twice, once for either outcome, weighed by its target: scikit-learn takes no soft targets.
    outcome = np.repeat([1, 0], len(feature))
    share = np.concatenate([weights * target, weights * (1.0 - target)])
    model = LogisticRegression(C=np.inf, max_iter=1000, fit_intercept=intercept)
    return model.fit(np.tile(feature, 2)[:, None], outcome, sample_weight=share)


def _require_rise(slope: float) -> None:
    if slope <= 0:
        raise DataError(
            f"On the calibration split fakes score no higher than genuine media (slope {slope:.3f}).",
            "The model has learned nothing that carries over; train it longer or on more sources.",
        )
