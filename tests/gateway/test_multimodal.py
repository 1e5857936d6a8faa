"""Several verdicts become one, by each of the three rules."""

from __future__ import annotations

import json

import pytest
from telltale_gateway.analysis.judgement import LabelRules
from telltale_gateway.analysis.multimodal import Joint, Method, Part, Votes, join, require_weight
from telltale_gateway.analysis.verdict import Label, Verdict
from telltale_gateway.api.views.multimodal import wishes_in
from telltale_gateway.errors import BadParameter

RULES = LabelRules(threshold=0.5, uncertain=(0.25, 0.75), min_face_quality=0.2, contradiction=0.8)


def verdict(score: float) -> Verdict:
    """A verdict of which only the score and its label are read."""
    label: Label = "uncertain" if 0.25 < score < 0.75 else "fake" if score >= 0.5 else "real"
    return Verdict.model_construct(score=score, label=label)


def joined(method: Method, weights: dict[Part, float] | None = None, prior: float = 0.5, **scores: float) -> Joint:
    verdicts: dict[Part, Verdict] = {
        part: verdict(scores[part]) for part in ("audio", "image", "video") if part in scores
    }
    return join(verdicts, method, weights or {}, prior_fake=prior, rules=RULES)


def test_one_forged_medium_is_enough_for_rivals_and_not_for_the_average() -> None:
    rivals = joined("rival_forgeries", audio=0.99, image=0.05, video=0.05)
    assert rivals.score == pytest.approx((99 + 2 * 0.05 / 0.95) / 3 / ((99 + 2 * 0.05 / 0.95) / 3 + 1))
    assert rivals.label == "fake"
    average = joined("weighted_average", audio=0.99, image=0.05, video=0.05)
    assert average.score == pytest.approx(1.09 / 3)
    assert average.label == "uncertain"


@pytest.mark.parametrize("prior", [0.1, 0.5, 0.8])
def test_media_that_all_say_the_same_stay_there(prior: float) -> None:
    assert joined("rival_forgeries", prior=prior, audio=0.3, image=0.3, video=0.3).score == pytest.approx(0.3)


def test_one_medium_alone_keeps_its_score() -> None:
    for method in ("rival_forgeries", "weighted_average"):
        assert joined(method, {"audio": 7.0}, audio=0.83).score == pytest.approx(0.83)


def test_weights_are_shares_of_what_was_judged() -> None:
    joint = joined("weighted_average", {"audio": 3.0, "image": 5.0}, audio=0.9, video=0.1)
    assert joint.weights == {"audio": 0.75, "video": 0.25}
    assert joint.score == pytest.approx(0.7)


def test_a_vote_says_what_share_of_all_votes_the_winner_has() -> None:
    joint = joined("majority_vote", audio=0.5, image=0.89)
    assert joint.label == "fake"
    assert joint.votes == Votes(fake=0.5, real=0.0, undecided=0.5)
    assert (joint.confidence, joint.score) == (0.5, None)
    joint = joined("majority_vote", {"video": 2.0}, audio=0.9, image=0.1, video=0.8)
    assert (joint.label, joint.confidence) == ("fake", pytest.approx(0.75))
    assert joined("majority_vote", audio=0.1, image=0.2, video=0.9).label == "real"


def test_a_medium_that_could_not_be_judged_votes_for_nobody() -> None:
    verdicts: dict[Part, Verdict] = {"audio": verdict(0.1), "video": verdict(0.2)}
    joint = join(verdicts, "majority_vote", {"image": 2.0}, unjudged=["image"], prior_fake=0.5, rules=RULES)
    assert joint.votes == Votes(fake=0.0, real=0.5, undecided=0.5)
    assert joint.weights == {"audio": 0.25, "video": 0.25}
    average = join(verdicts, "weighted_average", {"image": 2.0}, unjudged=["image"], prior_fake=0.5, rules=RULES)
    assert average.score == pytest.approx(0.15)
    assert sum(average.weights.values()) == pytest.approx(1.0)


def test_a_tie_or_nobody_certain_is_uncertain() -> None:
    tie = joined("majority_vote", audio=0.9, video=0.1)
    assert (tie.label, tie.confidence) == ("uncertain", 0.5)
    nobody = joined("majority_vote", audio=0.5, video=0.4)
    assert (nobody.label, nobody.confidence) == ("uncertain", 0.0)
    assert joined("majority_vote", {"audio": 2.0}, audio=0.9, video=0.1).label == "fake"


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="zero"):
        joined("weighted_average", {"audio": 0.0}, audio=0.9)
    with pytest.raises(ValueError, match="zero"):
        joined("majority_vote", {"audio": 0.0}, audio=0.9)
    with pytest.raises(ValueError, match="zero"):
        require_weight(["audio", "image"], {"audio": 0.0, "image": 0.0})
    require_weight(["audio", "image"], {"audio": 0.0})


@pytest.mark.parametrize(
    "fields",
    [
        {"fusion_method": "coin_toss"},
        {"weights": "{"},
        {"weights": "[1]"},
        {"weights": '{"audio": -1}'},
        {"weights": '{"smell": 1}'},
        {"weights": '{"audio": NaN}'},
        {"weights": '{"audio": 1e308}'},
        {"weights": "[" * 100_000},
    ],
)
def test_a_wish_that_cannot_be_read_is_named(fields: dict[str, str]) -> None:
    with pytest.raises(BadParameter) as caught:
        wishes_in(fields)
    assert next(iter(fields)) in caught.value.detail


def test_wishes_are_read() -> None:
    wishes = wishes_in({"fusion_method": "majority_vote", "weights": json.dumps({"audio": 2, "video": 0.5})})
    assert wishes.fusion_method == "majority_vote"
    assert wishes.weights == {"audio": 2.0, "video": 0.5}
    assert wishes_in({}).fusion_method == "rival_forgeries"
