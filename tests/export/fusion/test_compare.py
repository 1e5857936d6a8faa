"""Rules give what their formulas say, what is fitted answers for other groups, and a band keeps its promise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from telltale_contracts import Interval
from telltale_export.__main__ import main
from telltale_export.errors import DataError
from telltale_export.fusion.band import answered, band_of, width_for
from telltale_export.fusion.compare import RIVALS, Terms, against_best, compare, cross_fitted
from telltale_export.fusion.evidence import Evidence, evidence_of
from telltale_export.fusion.rules import RivalForgeries, Rule, fit_rivals, majority_vote, weighted_average

from tests.export.evaluation.sheets import fused_sheet, made_sheet

TERMS = Terms(rounds=50, target=0.2)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Two detectors of faces and one of voices."""
    return evidence_of(fused_sheet())


def one(
    scores: list[float], forgery_of: tuple[int, ...] = (0, 1, 1), weights: tuple[float, ...] = (1, 1, 1)
) -> Evidence:
    """One file, at even priors, both forgeries in question."""
    values = np.array([scores])
    return Evidence(
        detectors=("a", "b", "c"),
        forgeries=("face_swap", "voice"),
        forgery_of=forgery_of,
        weights=np.array(weights, float),
        scores=values,
        log_ratios=np.nan_to_num(np.log(values / (1 - values))),
        in_question=np.ones((1, 2), bool),
        served=np.array([0.5]),
        fake=np.array([True]),
        groups=np.array(["g"]),
    )


@pytest.mark.parametrize(
    ("scores", "forgery_of", "expected"),
    [
        ([0.3, 0.3, 0.3], (0, 0, 0), 0.3 / 0.7 / 2 + 0.5),  # one forgery alone has evidence, the other its share
        ([0.99, 0.05, 0.05], (0, 1, 1), 99 / 2 + 0.05 / 0.95 / 2),
        ([0.9, 0.5, 0.5], (0, 1, 1), 9 / 2 + 1 / 2),
    ],
)
def test_rival_forgeries(scores: list[float], forgery_of: tuple[int, ...], expected: float) -> None:
    """Half of the odds for each forgery; against them, even odds of a genuine medium."""
    (score,) = RivalForgeries(0.5, {})(one(scores, forgery_of))
    assert score == pytest.approx(expected / (expected + 1))


def test_a_silent_detector_weighs_nothing() -> None:
    silent = one([0.9, float("nan"), 0.2], weights=(2, 5, 1))
    assert weighted_average(silent) == pytest.approx([(2 * 0.9 + 0.2) / 3])
    assert majority_vote(silent) == pytest.approx([0.5])
    assert RivalForgeries(0.5, {})(silent) == pytest.approx(RivalForgeries(0.5, {})(one([0.9, 0.2, 0.2])))


def test_the_gateways_rule_is_the_gateways(evidence: Evidence) -> None:
    assert RivalForgeries(0.5, {})(evidence) == pytest.approx(evidence.served)
    with pytest.raises(DataError, match="fused otherwise"):
        compare(evidence, replace(TERMS, prior_fake=0.2))


def test_what_a_fold_s_band_is_chosen_on_comes_from_rules_that_never_saw_the_fold(evidence: Evidence) -> None:
    groups = np.unique(evidence.groups)
    folds = [np.flatnonzero(np.isin(evidence.groups, groups[start::5])) for start in range(5)]
    learned: list[set[str]] = []

    def fit(part: Evidence) -> Rule:
        # The rule's answer tells which fit it is of.
        learned.append(set(part.groups.tolist()))
        number = float(len(learned) - 1)
        return lambda other: np.full(len(other.fake), number)

    answers = cross_fitted(evidence, folds, fit, seed=0)
    for fold, apart in zip(folds, answers.apart, strict=True):
        rest = np.delete(evidence.groups, fold)
        for group, number in zip(rest.tolist(), apart.astype(int).tolist(), strict=True):
            assert group not in learned[number]
            assert learned[number].isdisjoint(evidence.groups[fold].tolist())
            assert learned[number] <= set(rest.tolist())
    for group, number in zip(evidence.groups.tolist(), answers.scores.astype(int).tolist(), strict=True):
        assert group not in learned[number]


def test_fitting_finds_a_detector_that_says_nothing(evidence: Evidence) -> None:
    random = np.random.default_rng(3)
    log_ratios = evidence.log_ratios.copy()
    log_ratios[:, 1] = np.where(evidence.said[:, 1], random.normal(0, 3, len(log_ratios)), 0.0)
    fitted = fit_rivals(replace(evidence, log_ratios=log_ratios), 0.5)
    assert fitted.weights is not None
    assert fitted.weights[0] / fitted.weights[1] > 4  # 2 to 1 by the manifests


def test_every_rule_is_compared_on_the_same_files(evidence: Evidence) -> None:
    compared = {each.name: each for each in compare(evidence, TERMS)}
    assert list(compared)[:3] == [RIVALS, "rival forgeries, fitted", "weighted average"]
    assert {"majority vote", "logistic regression, fitted", "swap alone", "blend alone", "voice alone"} < set(compared)
    assert all(len(each.scores) == len(evidence.fake) for each in compared.values())
    auc = {name: each.figures["AUC"].value for name, each in compared.items() if each.figures["AUC"]}
    assert auc[RIVALS] > auc["voice alone"]
    assert auc["logistic regression, fitted"] > 0.7


def test_the_ensemble_stands_against_its_best_detector(evidence: Evidence) -> None:
    rules = compare(evidence, TERMS)
    edge = against_best(rules, evidence, TERMS)

    areas = {rule.name: roc_auc_score(evidence.fake, rule.scores) for rule in rules}
    singles = {name: area for name, area in areas.items() if name.endswith(" alone")}
    assert f"{edge.detector} alone" == max(singles, key=lambda name: singles[name])
    assert edge.difference.value == pytest.approx(areas["rival forgeries"] - max(singles.values()))
    # Each detector of this evidence knows one kind of media only.
    assert edge.difference.low > 0
    itself = [replace(rule, scores=rules[0].scores) if rule.name.endswith(" alone") else rule for rule in rules]
    assert against_best(itself, evidence, TERMS).difference == Interval(value=0.0, low=0.0, high=0.0)


def test_too_few_groups_are_refused(evidence: Evidence) -> None:
    with pytest.raises(DataError, match="5 are needed"):
        compare(evidence.where(np.arange(6)), TERMS)


def test_a_band_keeps_the_wanted_risk_where_the_scores_are_true() -> None:
    random = np.random.default_rng(0)
    scores = random.random(4000)
    fake = random.random(4000) < scores
    width = width_for(0.1, scores[:2000], fake[:2000], 0.5)
    assert width is not None
    said = answered(scores[2000:], width, 0.5)
    assert ((scores[2000:] >= 0.5) != fake[2000:])[said].mean() == pytest.approx(0.1, abs=0.03)
    # Of true scores beyond a the mean error is (1 - a) / 2: a tenth where a is 0.8.
    assert band_of(width, 0.5) == pytest.approx((0.2, 0.8), abs=0.04)
    assert said.mean() == pytest.approx(0.4, abs=0.08)


def test_the_risk_of_a_band_does_not_follow_the_share_of_fakes() -> None:
    """Nine files of ten are fake, and only genuine ones are called wrong: one in ten of them, a risk of 0.05."""
    group = [0.01] * 9 + [0.99] * 91
    scores = np.array(group * 20)[:, None]
    evidence = Evidence(
        detectors=("a",),
        forgeries=("voice",),
        forgery_of=(0,),
        weights=np.ones(1),
        scores=scores,
        log_ratios=np.log(scores / (1 - scores)),
        in_question=np.ones(scores.shape, bool),
        served=scores[:, 0],
        fake=np.array(([False] * 10 + [True] * 90) * 20),
        groups=np.repeat([f"g{number}" for number in range(20)], 100),
    )
    (band,) = (rule.band for rule in compare(evidence, Terms(rounds=20, target=0.06)) if rule.name == RIVALS)
    assert band.risk is not None
    assert band.coverage is not None
    assert (band.risk.value, band.coverage.value) == (pytest.approx(0.05), pytest.approx(1.0))


def test_no_band_is_enough_for_scores_that_say_nothing() -> None:
    random = np.random.default_rng(0)
    scores, fake = random.random(500), random.random(500) < 0.5
    assert width_for(0.01, scores, fake, 0.5) is None


def test_the_command_prints_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fused_sheet().write(tmp_path / "scores.json")
    assert main(["fusion", "compare", "--scores", str(tmp_path / "scores.json"), "--rounds", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "120 files of made up (60 fake), 0 without any score" in lines[0]
    assert "both classes weighed alike" in lines[1]
    assert len(lines) == 3 + 8 + 2
    assert lines[-2].startswith("rival forgeries against the best detector alone, ")
    assert 'TELLTALE_FUSION__SHARES=\'{"face_swap": ' in lines[-1]
    assert "detector.yaml: swap " in lines[-1]
    made_sheet().write(tmp_path / "scores.json")
    assert main(["fusion", "compare", "--scores", str(tmp_path / "scores.json")]) == 2
    assert "there is nothing to fuse" in capsys.readouterr().err
