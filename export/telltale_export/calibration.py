"""Turn a model's raw P(fake) into a probability that means what it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from telltale_contracts import Calibration

from telltale_export.errors import DataError

_EDGE = 1e-6


def logit(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds of raw scores [N], kept 1e-6 away from 0 and 1 as ``Calibration.apply`` keeps them."""
    clipped = np.clip(np.asarray(raw, dtype=np.float64), _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(clipped / (1.0 - clipped)))


def fit_platt(
    raw: NDArray[np.float64], fake: NDArray[np.bool_], fitted_on: str, weights: NDArray[np.float64] | None = None
) -> Calibration:
    """Platt scaling on the log-odds of raw scores (Platt 1999), with his targets against overconfidence.

    Platt's targets (n + 1) / (n + 2) and 1 / (n + 2) stand in for 1 and 0, so that two classes that happen to be
    separable do not get an infinite slope.

    Args:
        raw: [N], the model's P(fake) on items that it was not trained on.
        fake: [N].
        fitted_on: which items, for the card.
        weights: [N], how much each item counts; the prior is the weighted share of fakes.

    Raises:
        DataError: one class is missing, or the score falls where it should rise.
    """
    if not fake.any() or fake.all():
        raise DataError("The calibration split holds one class only.", "Give it groups of real and of fake media.")
    weights = np.ones(len(raw)) if weights is None else weights * (len(raw) / weights.sum())
    n_fake, n_real = float(weights[fake].sum()), float(weights[~fake].sum())
    target = np.where(fake, (n_fake + 1.0) / (n_fake + 2.0), 1.0 / (n_real + 2.0))
    feature = np.tile(logit(raw), 2)[:, None]
    outcome = np.repeat([1, 0], len(raw))
    share = np.concatenate([weights * target, weights * (1.0 - target)])
    model = LogisticRegression(C=np.inf, max_iter=1000).fit(feature, outcome, sample_weight=share)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        raise DataError(
            f"On the calibration split fakes score no higher than genuine media (slope {slope:.3f}).",
            "The model has learned nothing that carries over; train it longer or on more sources.",
        )
    return Calibration(
        slope=slope, intercept=intercept, prior=n_fake / (n_fake + n_real), n=len(raw), fitted_on=fitted_on
    )


def apply_platt(calibration: Calibration, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Calibrated P(fake) of raw scores [N]: ``Calibration.apply`` for arrays."""
    return np.asarray(1.0 / (1.0 + np.exp(-(calibration.slope * logit(raw) + calibration.intercept))))
