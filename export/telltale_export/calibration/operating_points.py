"""Where a calibrated score becomes the word fake: at a named false alarm rate, or where both errors are equal."""

from __future__ import annotations

import numpy as np

from telltale_export.calibration.fitting import Bools, Floats
from telltale_export.errors import DataError

_EDGE = 1e-6


def at_equal_errors(scores: Floats, fake: Bools) -> float:
    """The score at which false alarms and misses are nearest to each other.

    Raises:
        DataError: one class is missing.
    """
    alarms, hits, thresholds = _curve(scores, fake)
    # The first point is above every score, and no threshold that could be used.
    return _inside(thresholds[1:][np.argmin(np.abs(alarms[1:] - (1.0 - hits[1:])))])


def at_false_alarm_rate(rate: float, scores: Floats, fake: Bools) -> float:
    """The lowest score at which no more than this share of genuine media is called fake.

    Raises:
        DataError: one class is missing, or there are too few genuine media to tell such a rate from none.
    """
    genuine = int((~fake).sum())
    if genuine * rate < 1.0:
        raise DataError(
            f"With {genuine} genuine media a false alarm rate of {rate:g} is less than one file.",
            f"Give {int(np.ceil(1.0 / rate))} or more genuine calibration files, or a higher rate.",
        )
    alarms, _, thresholds = _curve(scores, fake)
    return _inside(thresholds[alarms <= rate][-1])


def _curve(scores: Floats, fake: Bools) -> tuple[Floats, Floats, Floats]:
    from sklearn.metrics import roc_curve  # noqa: PLC0415 - half a second

    if not fake.any() or fake.all():
        raise DataError("The calibration split holds one class only.", "Give it groups of real and of fake media.")
    alarms, hits, thresholds = roc_curve(fake, scores, drop_intermediate=False)
    return alarms, hits, thresholds


def _inside(threshold: float) -> float:
    # A card's threshold lies between 0 and 1; infinity says that every genuine file scores above every fake.
    return float(np.clip(threshold, _EDGE, 1.0 - _EDGE))
