"""The threshold that was asked for is the one that is found."""

from __future__ import annotations

import numpy as np
import pytest
from telltale_export.calibration.operating_points import at_equal_errors, at_false_alarm_rate
from telltale_export.errors import DataError


def test_a_named_false_alarm_rate_is_kept_and_used_up() -> None:
    random = np.random.default_rng(0)
    fake = np.repeat([False, True], 500)
    scores = np.clip(random.normal(0.4, 0.1, 1000) + 0.2 * fake, 0, 1)
    threshold = at_false_alarm_rate(0.1, scores, fake)
    alarms = scores[~fake] >= threshold
    assert alarms.mean() <= 0.1
    assert alarms.mean() > 0.09
    assert (scores[~fake] >= threshold - 0.01).mean() > 0.1


def test_equal_errors_are_equal() -> None:
    random = np.random.default_rng(1)
    fake = np.repeat([False, True], [900, 300])
    scores = np.clip(random.normal(0.4, 0.1, 1200) + 0.2 * fake, 0, 1)
    threshold = at_equal_errors(scores, fake)
    assert (scores[~fake] >= threshold).mean() == pytest.approx((scores[fake] < threshold).mean(), abs=0.01)


def test_a_threshold_lies_between_0_and_1_whatever_the_scores() -> None:
    fake = np.array([False] * 20 + [True] * 2)
    for scores in (np.ones(22), np.zeros(22), np.where(fake, 0.0, 1.0)):
        assert 0.0 < at_equal_errors(scores, fake) < 1.0
        assert 0.0 < at_false_alarm_rate(0.05, scores, fake) < 1.0


def test_a_rate_that_cannot_be_told_is_refused() -> None:
    fake = np.array([False] * 19 + [True])
    with pytest.raises(DataError, match="less than one file"):
        at_false_alarm_rate(0.05, np.linspace(0, 1, 20), fake)
    with pytest.raises(DataError, match="one class"):
        at_equal_errors(np.ones(3), np.array([True, True, True]))
