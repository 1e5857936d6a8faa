from __future__ import annotations

import math

import pytest
from telltale_contracts import Forgery
from telltale_gateway.analysis.fusion import Evidence, RivalForgeries, contradictions, log_odds, probability

RULE = RivalForgeries(0.5, {})
THREE: tuple[Forgery, ...] = ("face_swap", "face_synthesis", "voice")


def evidence(forgery: Forgery, score: float, *, prior: float = 0.5, weight: float = 1.0, name: str = "a") -> Evidence:
    return Evidence(name, forgery, score, prior, weight)


def fused(*scores: float) -> float:
    return RULE.fuse(THREE, [evidence(f, s) for f, s in zip(THREE, scores, strict=True)]).score


def test_three_detectors_at_the_same_score_stay_there() -> None:
    assert fused(0.3, 0.3, 0.3) == pytest.approx(0.3)
    assert fused(0.8, 0.8, 0.8) == pytest.approx(0.8)


def test_one_certain_forgery_is_enough() -> None:
    assert fused(0.99, 0.05, 0.05) == pytest.approx(0.97, abs=0.005)


def test_the_shares_of_the_forgeries_add_up_to_the_score_and_name_the_likeliest() -> None:
    result = RULE.fuse(THREE, [evidence("face_swap", 0.2), evidence("voice", 0.95)])
    assert sum(result.forgeries.values()) == pytest.approx(result.score)
    assert max(result.forgeries, key=lambda f: result.forgeries[f]) == "voice"
    assert probability(result.log_odds) == pytest.approx(result.score)


def test_a_forgery_that_could_not_be_tested_keeps_its_prior() -> None:
    tested_alone = RULE.fuse(("voice",), [evidence("voice", 0.05)])
    beside_untested = RULE.fuse(("voice", "face_swap"), [evidence("voice", 0.05)])
    assert tested_alone.score == pytest.approx(0.05)
    # LR = 1 on half the prior: 0.25 against 0.5 genuine, and almost nothing of the voice.
    assert beside_untested.score == pytest.approx((0.25 + 0.25 * 0.05 / 0.95) / (0.25 + 0.25 * 0.05 / 0.95 + 0.5))


def test_a_forgery_that_drops_out_does_not_make_the_medium_more_genuine() -> None:
    assert RULE.fuse(("voice",), [evidence("voice", 0.7)]).score == pytest.approx(0.7)


def test_detectors_of_one_forgery_are_averaged_by_weight() -> None:
    items = [evidence("voice", 0.9, weight=3.0), evidence("voice", 0.5, weight=1.0, name="b")]
    expected = probability(0.75 * log_odds(0.9))
    assert RULE.fuse(("voice",), items).score == pytest.approx(expected)


def test_the_calibration_prior_is_divided_out() -> None:
    # A set with nine fakes in ten makes 0.9 mean nothing at all.
    assert RULE.fuse(("voice",), [evidence("voice", 0.9, prior=0.9)]).score == pytest.approx(0.5)


def test_unequal_shares_and_prior_are_followed() -> None:
    rule = RivalForgeries(0.2, {"face_swap": 3.0})
    result = rule.fuse(("face_swap", "voice"), [])
    assert result.score == pytest.approx(0.2)
    assert result.forgeries["face_swap"] == pytest.approx(0.15)


def test_certainty_stays_finite() -> None:
    for scores in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 0.0, 0.5)):
        assert 0.0 < fused(*scores) < 1.0
        assert math.isfinite(RULE.fuse(THREE, [evidence("voice", scores[0])]).log_odds)


def test_a_contribution_is_what_leaving_the_detector_out_would_take_away() -> None:
    items = [evidence("face_swap", 0.9), evidence("voice", 0.1, name="b")]
    with_all = RULE.fuse(THREE, items).log_odds
    without_voice = RULE.fuse(THREE, items[:1]).log_odds
    assert RULE.contribution(THREE, items, items[1]) == pytest.approx(with_all - without_voice)
    assert RULE.contribution(THREE, items, items[0]) > 0 > RULE.contribution(THREE, items, items[1])


def test_contradictions_are_found_within_one_forgery_only() -> None:
    strong = [evidence("voice", 0.9, name="a"), evidence("voice", 0.1, name="b"), evidence("face_swap", 0.01, name="c")]
    assert [(high.detector, low.detector) for high, low in contradictions(strong, 0.8)] == [("a", "b")]
    assert contradictions([evidence("voice", 0.9), evidence("face_swap", 0.1)], 0.8) == []
