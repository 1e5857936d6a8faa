"""Figures against answers known beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve
from telltale_export.data import MediaItem
from telltale_export.evaluation import (
    ScoredSet,
    Terms,
    area_under_roc,
    bootstrap_interval,
    equal_error_rate,
    measure,
    table,
    worst_family,
)
from telltale_export.evaluation.decisions import at_threshold
from telltale_export.evaluation.metrics import bootstrap_intervals, share_interval

TERMS = Terms(medium="speech", split="held out", unit="file", rounds=200)


def scored(*rows: tuple[float, str, str, str]) -> ScoredSet:
    """Rows of score, family (bonafide is real), source, group."""
    items = [
        MediaItem(Path(f"{i}"), "audio", "real" if family == "bonafide" else "fake", family, source, group, "none")
        for i, (_, family, source, group) in enumerate(rows)
    ]
    return ScoredSet.of(items, [row[0] for row in rows])


def test_area_counts_pairs_in_order_and_ties_half() -> None:
    fake = np.array([False, False, True, True])
    assert area_under_roc(np.array([0.1, 0.4, 0.35, 0.8]), fake) == pytest.approx(0.75)
    assert area_under_roc(np.array([0.5, 0.5, 0.5, 0.5]), fake) == pytest.approx(0.5)
    assert area_under_roc(np.array([0.1, 0.2, 0.8, 0.9]), fake) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], 0.0),
        ([0.9, 0.8, 0.2, 0.1], 1.0),
        ([0.5, 0.5, 0.5, 0.5], 0.5),
        ([0.1, 0.4, 0.35, 0.8], 0.5),
        ([0.1, 0.6, 0.6, 0.8], 0.25),  # on the tie, from (0, 1/2) to (1/2, 1), both errors meet at 1/4
    ],
)
def test_equal_error_rate(scores: list[float], expected: float) -> None:
    fake = np.array([False, False, True, True])
    assert equal_error_rate(np.array(scores), fake) == pytest.approx(expected)


def test_equal_error_rate_of_two_normals() -> None:
    random = np.random.default_rng(0)
    scores = np.concatenate([random.normal(0, 1, 40_000), random.normal(2, 1, 40_000)])
    fake = np.repeat([False, True], 40_000)
    # Two unit normals two apart cross at one deviation: 1 - Phi(1); the area is Phi(2 / sqrt 2).
    assert equal_error_rate(scores, fake) == pytest.approx(0.1587, abs=0.005)
    assert area_under_roc(scores, fake) == pytest.approx(0.9214, abs=0.005)


def test_figures_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(4)
    fake = random.random(300) < 0.3
    scores = np.round(random.normal(size=300) + fake, 1)  # many ties
    weights = random.integers(1, 5, size=300).astype(float)
    alarms, hits, _ = roc_curve(fake, scores, sample_weight=weights)
    at = equal_error_rate(scores, fake, weights)

    assert area_under_roc(scores, fake, weights) == pytest.approx(roc_auc_score(fake, scores, sample_weight=weights))
    assert np.interp(at, alarms, hits) == pytest.approx(1 - at)


def test_weights_are_repetitions() -> None:
    random = np.random.default_rng(1)
    scores, fake = random.random(30), np.arange(30) % 3 == 0
    times = random.integers(1, 4, size=30)
    for metric in (area_under_roc, equal_error_rate):
        weighted = metric(scores, fake, times.astype(float))
        assert weighted == pytest.approx(metric(np.repeat(scores, times), np.repeat(fake, times)))


def test_one_class_has_no_figure() -> None:
    for metric in (area_under_roc, equal_error_rate):
        with pytest.raises(ValueError, match="both needed"):
            metric(np.array([0.1, 0.2]), np.array([True, True]))


def test_copies_in_a_group_do_not_narrow_the_interval() -> None:
    random = np.random.default_rng(2)
    fake = np.repeat([False, True], 20)
    scores = random.normal(size=40) + fake
    groups = np.array([f"g{i}" for i in range(40)])
    once = bootstrap_interval(area_under_roc, scores, fake, groups)
    copied = bootstrap_interval(area_under_roc, np.tile(scores, 9), np.tile(fake, 9), np.tile(groups, 9))

    assert copied.value == pytest.approx(once.value)
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=1e-9)
    assert once.low < once.value < once.high
    assert 0.1 < once.high - once.low < 0.5


def test_the_interval_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    fake = np.repeat([False, True], 40)
    groups = np.array([f"g{i}" for i in range(80)])
    truth = 0.7602  # Phi(1 / sqrt 2)
    intervals = [
        bootstrap_interval(area_under_roc, random.normal(size=80) + fake, fake, groups, rounds=100, seed=i)
        for i in range(60)
    ]
    covered = sum(interval.low <= truth <= interval.high for interval in intervals)
    assert covered >= 50


def test_one_group_a_class_says_nothing_of_others() -> None:
    fake = np.array([False, False, True, True])
    interval = bootstrap_interval(area_under_roc, np.array([0.1, 0.2, 0.8, 0.9]), fake, np.array(["a", "a", "b", "c"]))
    assert (interval.value, interval.low, interval.high) == (1.0, 0.0, 1.0)


@pytest.mark.parametrize(("chosen", "low", "high"), [(False, 0.0, 0.3903), (True, 0.6097, 1.0)])
def test_groups_that_are_all_alike_prove_no_certainty(chosen: bool, low: float, high: float) -> None:
    """Wilson's interval of none, and of all, of six."""
    groups = np.repeat([f"g{i}" for i in range(6)], 50)
    interval = share_interval(np.full(300, chosen), groups)
    assert interval is not None
    assert (interval.value, interval.low, interval.high) == pytest.approx((float(chosen), low, high), abs=1e-4)


def test_shares_beside_other_figures_prove_no_certainty() -> None:
    scores, fake = np.tile([0.1, 0.9], 6), np.tile([False, True], 6)
    groups = np.repeat([f"g{i}" for i in range(6)], 2)
    found = bootstrap_intervals(dict(at_threshold(0.5)), scores, fake, groups, rounds=20, shares=("accuracy",))
    assert found["accuracy"] is not None
    assert (found["accuracy"].low, found["accuracy"].high) == pytest.approx((0.6097, 1.0), abs=1e-4)


def test_families_stand_against_their_own_source_and_the_worst_is_named() -> None:
    rows = []
    for i in range(6):
        rows += [
            (0.2 + i / 100, "bonafide", "demo", f"d{i}"),
            (0.9 + i / 100, "vits", "demo", f"d{i}"),
            (0.6, "bonafide", "studio", f"s{i}"),
            (0.1 + i / 50, "copy", "demo", f"d{i}"),
            (0.5, "lone", "elsewhere", f"e{i}"),
        ]
    measured = {m.family: m for m in measure(scored(*rows), TERMS)}

    assert list(measured) == ["all", "copy", "lone", "vits"]
    assert (measured["all"].n_real, measured["all"].n_fake, measured["all"].n_groups) == (12, 18, 18)
    assert measured["vits"].n_real == 6
    assert measured["vits"].auc is not None
    assert measured["vits"].auc.value == 1.0
    assert measured["lone"].n_real == 12
    assert "no genuine media of the same source" in (measured["lone"].note or "")
    assert measured["all"].false_alarm_rate is not None
    assert measured["all"].false_alarm_rate.value == pytest.approx(0.5)
    worst = worst_family(measured.values())
    assert worst is not None
    assert worst.family == "copy"
    assert "copy" in table(measured.values())


def test_genuine_media_alone_have_only_a_false_alarm_rate() -> None:
    (everything,) = measure(scored((0.4, "bonafide", "a", "1"), (0.6, "bonafide", "a", "2")), TERMS)
    assert everything.auc is None
    assert everything.eer is None
    assert everything.false_alarm_rate is not None
    assert everything.false_alarm_rate.value == 0.5
    assert worst_family([everything]) is None


def test_log_loss_weighs_the_classes_alike() -> None:
    rows = [(0.25, "bonafide", "a", "1"), (0.5, "vits", "a", "1"), (0.5, "vits", "a", "2"), (0.5, "vits", "a", "3")]
    note = measure(scored(*rows), TERMS)[0].note
    assert note is not None
    assert f"{-(np.log(0.75) + np.log(0.5)) / 2:.3f};" in note


def test_scores_must_fit_their_items() -> None:
    with pytest.raises(ValueError, match="finite"):
        scored((float("nan"), "bonafide", "a", "1"))
