from __future__ import annotations

import pytest
from telltale_gateway.analysis.fusion import RivalForgeries
from telltale_gateway.analysis.judgement import Judge, LabelRules

from .outcomes import failed, metadata, missing, scored, unmeasured

RULES = LabelRules(threshold=0.5, uncertain=(0.25, 0.75), min_face_quality=0.2, contradiction=0.8)
JUDGE = Judge(RivalForgeries(0.5, {}), RULES)


def test_a_cloned_voice_under_a_genuine_face_is_fake_and_says_which() -> None:
    outcomes = [scored("blend", "face_swap", 0.05), scored("voice", "voice", 0.99)]
    judgement = JUDGE.judge(outcomes, metadata())
    assert judgement.label == "fake"
    assert judgement.fused.forgeries["voice"] > 0.9
    assert judgement.fused.score > 0.75


def test_nothing_suspicious_is_real() -> None:
    assert JUDGE.judge([scored("blend", "face_swap", 0.05)], metadata()).label == "real"


def test_a_score_inside_the_band_is_uncertain_and_says_so() -> None:
    judgement = JUDGE.judge([scored("blend", "face_swap", 0.55)], metadata())
    assert judgement.label == "uncertain"
    assert "0.55" in judgement.why_uncertain[0]


def test_one_blurred_little_face_is_too_little_whatever_the_score() -> None:
    judgement = JUDGE.judge([scored("blend", "face_swap", 0.95)], metadata(quality=0.05))
    assert judgement.label == "uncertain"
    assert "0.05" in judgement.why_uncertain[0]


def test_a_blurred_face_does_not_hold_back_a_clear_voice() -> None:
    outcomes = [scored("blend", "face_swap", 0.3), scored("voice", "voice", 0.99)]
    assert JUDGE.judge(outcomes, metadata(quality=0.05)).label == "fake"


def test_fewer_items_than_the_detector_needs_are_too_little() -> None:
    judgement = JUDGE.judge([scored("blend", "face_swap", 0.95, items=2, min_items=4)], metadata())
    assert judgement.label == "uncertain"


def test_detectors_of_one_forgery_that_contradict_each_other_are_uncertain() -> None:
    outcomes = [scored("a", "voice", 0.99, weight=5.0), scored("b", "voice", 0.05)]
    judgement = JUDGE.judge(outcomes, metadata("audio"))
    assert judgement.fused.score > 0.6
    assert judgement.label == "uncertain"


def test_a_failed_detector_keeps_its_forgery_in_question_and_untested() -> None:
    judgement = JUDGE.judge([scored("voice", "voice", 0.05), failed("blend", "face_swap")], metadata())
    assert set(judgement.in_question) == {"voice", "face_swap"}
    assert "face_swap" in judgement.untested
    assert "voice" not in judgement.untested
    assert judgement.fused.score > 0.3


def test_where_there_is_no_face_face_forgeries_are_not_in_question() -> None:
    judgement = JUDGE.judge([scored("voice", "voice", 0.05), missing("blend", "face_swap", "no_face")], metadata())
    assert judgement.in_question == ("voice",)
    assert judgement.untested == ("whole_image",)
    assert judgement.fused.score == pytest.approx(0.05)


def test_a_face_too_poor_to_judge_is_another_matter_than_none() -> None:
    outcomes = [scored("voice", "voice", 0.05), missing("blend", "face_swap", "no_usable_face")]
    judgement = JUDGE.judge(outcomes, metadata())
    assert "face_swap" in judgement.in_question
    assert "face_swap" in judgement.untested


def test_a_forgery_that_no_detector_knows_on_this_medium_has_no_share_and_is_untested() -> None:
    judgement = JUDGE.judge([scored("blend", "face_swap", 0.1), unmeasured("synthesis", "face_synthesis")], metadata())
    assert judgement.in_question == ("face_swap",)
    assert judgement.fused.score == pytest.approx(0.1)
    assert "face_synthesis" in judgement.untested


def test_what_no_detector_tests_is_listed_too() -> None:
    judgement = JUDGE.judge([scored("blend", "face_swap", 0.1)], metadata("image"))
    assert judgement.untested == ("face_synthesis", "whole_image")


def test_a_part_that_no_detector_saw_has_no_score() -> None:
    parts = JUDGE.parts([scored("blend", "face_swap", 0.9)])
    assert parts.fuse({}) is None
    assert parts.fuse({"blend": 0.7}) == pytest.approx(0.7)
