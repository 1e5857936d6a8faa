from __future__ import annotations

from dataclasses import replace

import pytest
from telltale_gateway.analysis.analyzer import choose, require_evidence
from telltale_gateway.errors import NoDetectorAvailable, NothingToAnalyse, UnknownDetector
from telltale_gateway.rollout import Fleet, Readiness

from .outcomes import deployed, failed, missing, scored, unmeasured

DOWN = Readiness(ready=False, reason="triton does not answer")
BLEND, VOICE = deployed("blend", "face_swap"), deployed("voice", "voice")


def fleet(*detectors: object, unreadable: dict[str, str] | None = None) -> Fleet:
    by_name = {d.name: d for d in detectors}  # type: ignore[attr-defined]
    return Fleet(by_name, {}, unreadable or {}, expected=frozenset(by_name) | frozenset(unreadable or {}))


def test_all_are_asked_by_name_unless_some_are_named() -> None:
    assert [d.name for d in choose(fleet(VOICE, BLEND), None)] == ["blend", "voice"]
    assert [d.name for d in choose(fleet(VOICE, BLEND), ["voice"])] == ["voice"]


def test_one_that_is_down_is_asked_with_the_others_so_that_its_failure_is_said() -> None:
    down = replace(BLEND, readiness=DOWN)
    assert choose(fleet(down, VOICE), None) == (down, VOICE)


def test_when_all_are_down_that_is_the_answer() -> None:
    with pytest.raises(NoDetectorAvailable, match="blend: triton does not answer"):
        choose(fleet(replace(BLEND, readiness=DOWN)), None)


def test_a_detector_that_cannot_be_read_is_no_unknown_name() -> None:
    with pytest.raises(NoDetectorAvailable, match="voice: live: not a number"):
        choose(fleet(BLEND, unreadable={"voice": "live: not a number"}), ["voice"])


def test_before_the_repository_was_read_no_name_is_unknown() -> None:
    with pytest.raises(NoDetectorAvailable, match="starting"):
        choose(Fleet(), ["anything"])


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownDetector) as caught:
        choose(fleet(BLEND, VOICE), ["blond"])
    assert "Did you mean blend?" in caught.value.hint


def test_one_score_is_evidence_enough() -> None:
    require_evidence([failed("blend", "face_swap"), scored("voice", "voice", 0.2)])


def test_a_failure_among_those_that_could_have_answered_asks_to_come_back() -> None:
    with pytest.raises(NoDetectorAvailable):
        require_evidence([failed("blend", "face_swap"), missing("voice", "voice", "no_audio")])


@pytest.mark.parametrize(
    ("reason", "code"),
    [("no_face", "no_face"), ("no_usable_face", "no_usable_face"), ("no_speech", "no_speech")],
)
def test_where_nothing_can_be_looked_at_the_code_names_what_was_missing(reason: str, code: str) -> None:
    with pytest.raises(NothingToAnalyse) as caught:
        require_evidence([missing("blend", "face_swap", reason)])  # type: ignore[arg-type]
    problem = caught.value.problem("id")
    assert (problem.status, problem.code, problem.type) == (422, code, f"/errors/{code.replace('_', '-')}")


def test_a_medium_that_nobody_was_measured_on_is_said_to_be_that() -> None:
    with pytest.raises(NothingToAnalyse) as caught:
        require_evidence([unmeasured("blend", "face_swap")])
    assert caught.value.problem(None).code == "not_measured"
