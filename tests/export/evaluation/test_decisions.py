"""Figures of answers and of probabilities, against scikit-learn's and against what is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    det_curve,
    f1_score,
    precision_score,
    recall_score,
    roc_curve,
)
from telltale_export.evaluation.decisions import (
    at_threshold,
    both_alike,
    brier_score,
    brier_score_at_even_odds,
    calibration_error_at_even_odds,
    expected_calibration_error,
    reliability,
)
from telltale_export.evaluation.metrics import (
    Bools,
    Floats,
    average_precision,
    bootstrap_intervals,
    false_alarms_at_95,
    roc,
    share_interval,
)
from telltale_export.evaluation.tandem import MinTandemCost, Verification


def drawn(seed: int = 0, count: int = 300) -> tuple[Floats, Bools, Floats]:
    """Scores with many ties, classes and weights."""
    random = np.random.default_rng(seed)
    fake = random.random(count) < 0.3
    scores = np.clip(np.round(random.normal(0.4, 0.2, count) + 0.2 * fake, 1), 0, 1)
    return scores, fake, random.integers(1, 5, count).astype(float)


def test_figures_at_a_threshold_agree_with_scikit_learn() -> None:
    scores, fake, weights = drawn()
    found = {name: metric(scores, fake, weights) for name, metric in at_threshold(0.5).items()}
    called = scores >= 0.5
    theirs = {"accuracy": accuracy_score, "precision": precision_score, "recall": recall_score, "f1": f1_score}
    assert found == pytest.approx({n: score(fake, called, sample_weight=weights) for n, score in theirs.items()})


def test_ranking_and_probability_figures_agree_with_scikit_learn() -> None:
    scores, fake, weights = drawn(1)
    assert average_precision(scores, fake, weights) == pytest.approx(
        average_precision_score(fake, scores, sample_weight=weights)
    )
    assert brier_score(scores, fake, weights) == pytest.approx(brier_score_loss(fake, scores, sample_weight=weights))
    alarms, hits, _ = roc_curve(fake, scores, sample_weight=weights, drop_intermediate=False)
    assert false_alarms_at_95(scores, fake, weights) == pytest.approx(alarms[hits >= 0.95].min())


def test_at_even_odds_a_class_counts_as_much_as_the_other_however_many_there_are() -> None:
    scores, fake, weights = drawn(5)
    alike = both_alike(fake, weights)
    assert (alike[fake].sum(), alike[~fake].sum()) == pytest.approx((0.5, 0.5))
    mean_of_both = [brier_score(scores[of], fake[of], weights[of]) for of in (fake, ~fake)]
    assert brier_score_at_even_odds(scores, fake, weights) == pytest.approx(np.mean(mean_of_both))
    # Right at even odds, of ten genuine media for each fake.
    scores = np.concatenate([np.repeat([0.25, 0.75], [1, 3]), np.repeat([0.25, 0.75], [30, 10])])
    fake = np.arange(44) < 4
    assert calibration_error_at_even_odds(scores, fake, np.ones(44)) == pytest.approx(0.0)
    assert expected_calibration_error(scores, fake, np.ones(44)) > 0.2


def test_the_curves_of_the_report_are_scikit_learns() -> None:
    scores, fake, weights = drawn(3)
    alarms, hits = roc(scores, fake, weights)
    their_alarms, their_hits, _ = roc_curve(fake, scores, sample_weight=weights, drop_intermediate=False)
    assert alarms == pytest.approx(their_alarms)
    assert hits == pytest.approx(their_hits)
    # scikit-learn's DET curve leaves out the ends, where one rate no longer changes.
    false, missed, _ = det_curve(fake, scores, sample_weight=weights)
    points = set(zip(np.round(alarms, 9).tolist(), np.round(1 - hits, 9).tolist(), strict=True))
    assert set(zip(np.round(false, 9).tolist(), np.round(missed, 9).tolist(), strict=True)) <= points
    # Off the edges of the bins, which scikit-learn gives to the bin below.
    shifted = np.clip(scores + 0.013, 0, 1)
    promised, held, weight = reliability(shifted, fake, np.ones(len(scores)))
    their_held, their_promised = calibration_curve(fake, shifted, n_bins=10)
    assert promised == pytest.approx(their_promised)
    assert held == pytest.approx(their_held)
    assert weight.sum() == len(scores)


def test_tandem_cost_is_the_least_over_every_threshold() -> None:
    scores, fake, weights = drawn(4)
    asv = Verification(miss=0.05, false_alarm=0.04, spoofs_accepted=0.4)
    away, caught, _ = roc_curve(fake, scores, sample_weight=weights)
    # Kinnunen 2020, equations 10 and 11, with the priors of a speaker, an impostor and a spoof.
    speaker, impostor, spoof = 0.95 * 0.99, 0.95 * 0.01, 0.05
    c0 = speaker * 0.05 + impostor * 10 * 0.04
    c1, c2 = speaker - c0, spoof * 10 * 0.4
    least = min(c0 + c1 * a + c2 * (1 - c) for a, c in zip(away, caught, strict=True)) / (c0 + min(c1, c2))
    assert MinTandemCost(asv)(scores, fake, weights) == pytest.approx(least)


def test_calibration_error_is_the_distance_between_promise_and_truth() -> None:
    fake = np.tile([True, False, False, False], 25)
    weights = np.ones(100)
    assert expected_calibration_error(np.full(100, 0.25), fake, weights) == pytest.approx(0.0)
    assert expected_calibration_error(np.full(100, 0.85), fake, weights) == pytest.approx(0.6)
    # Half of the files promise 1 and hold a quarter of fakes, half promise 0.25 and hold what they promise.
    scores = np.repeat([1.0, 0.25], 50)
    assert expected_calibration_error(scores, np.resize(fake, 100), weights) == pytest.approx(0.375, abs=0.02)


def test_what_is_not_defined_has_no_interval() -> None:
    scores, fake = np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True])
    found = bootstrap_intervals(at_threshold(0.5), scores, fake, np.array(list("abcd")), rounds=50)
    assert found["precision"] is None
    assert found["recall"] is not None
    assert found["recall"].value == 0.0
    assert share_interval(np.array([], bool), np.array([], str)) is None


def test_intervals_from_the_same_draws_do_not_depend_on_the_company() -> None:
    scores, fake, _ = drawn(2)
    groups = np.array([f"g{i // 3}" for i in range(len(scores))])
    both = bootstrap_intervals({"a": average_precision, "b": brier_score}, scores, fake, groups, rounds=50)
    assert both["b"] == bootstrap_intervals({"b": brier_score}, scores, fake, groups, rounds=50)["b"]


def test_tandem_cost_of_known_systems() -> None:
    cost = MinTandemCost(Verification())
    fake, weights = np.array([False, False, True, True]), np.ones(4)
    # C0 = 0.9405 x 0.025 + 0.0095 x 10 x 0.025, C2 = 0.05 x 10 x 0.3; all that is right leaves C0.
    c0, c2 = 0.9405 * 0.025 + 0.095 * 0.025, 0.15
    assert cost(np.array([0.1, 0.2, 0.8, 0.9]), fake, weights) == pytest.approx(c0 / (c0 + c2))
    # What calls nothing apart is worth as much as letting everything pass.
    assert cost(np.full(4, 0.5), fake, weights) == pytest.approx(1.0)
    # One of two spoofs passes where nobody is turned away.
    assert cost(np.array([0.1, 0.5, 0.4, 0.9]), fake, weights) == pytest.approx((c0 + c2 / 2) / (c0 + c2))


def test_error_rates_with_which_nothing_can_help_are_refused() -> None:
    with pytest.raises(ValueError, match="no countermeasure can help"):
        MinTandemCost(Verification(spoofs_accepted=0.0))
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        Verification(miss=2.5)
