from __future__ import annotations

import numpy as np
import pytest
from telltale_contracts import Aggregation, Calibration
from telltale_gateway.analysis.aggregation import NO_TRACK, aggregate
from telltale_gateway.analysis.fusion import log_odds, probability

from .outcomes import IDENTITY

MEAN = Aggregation()


def of(scores: list[float], tracks: list[int], rule: Aggregation = MEAN, calibration: Calibration = IDENTITY):  # type: ignore[no-untyped-def]
    return aggregate(np.array(scores, np.float32), np.array(tracks, np.int32), calibration, rule)


def test_frames_of_one_track_are_averaged_as_log_odds() -> None:
    result = of([0.9, 0.5], [0, 0])
    assert result.score == pytest.approx(probability(log_odds(0.9) / 2), abs=1e-6)


def test_one_forged_person_among_genuine_ones_decides() -> None:
    result = of([0.1, 0.1, 0.95, 0.95, 0.2], [0, 0, 1, 1, 2])
    assert result.score == pytest.approx(0.95, abs=1e-6)
    assert result.tracks == pytest.approx({0: 0.1, 1: 0.95, 2: 0.2}, abs=1e-6)


def test_the_top_share_lets_a_short_forgery_show() -> None:
    scores = [0.05] * 9 + [0.9]
    top = of(scores, [0] * 10, Aggregation(items="top_mean_log_odds", top_share=0.1))
    assert top.score == pytest.approx(0.9, abs=1e-6)
    assert of(scores, [0] * 10).score < 0.15


def test_items_are_calibrated_before_they_are_averaged_and_the_raw_score_is_not() -> None:
    doubled = Calibration(slope=2.0, intercept=0.5, prior=0.5, n=10, fitted_on="by hand")
    result = of([0.7, 0.7], [NO_TRACK, NO_TRACK], calibration=doubled)
    assert result.raw == pytest.approx(0.7, abs=1e-6)
    assert result.score == pytest.approx(probability(2.0 * log_odds(0.7) + 0.5), abs=1e-6)
    assert result.items == pytest.approx((result.score, result.score))


def test_raw_zeros_and_ones_stay_finite() -> None:
    result = of([0.0, 1.0], [0, 0])
    assert result.score == pytest.approx(0.5)
