"""Every rule on the same files; what is fitted is fitted on other groups than it answers for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Forgery, Interval

from telltale_export.errors import DataError
from telltale_export.evaluation.decisions import at_threshold, both_alike, brier_score
from telltale_export.evaluation.metrics import (
    Bools,
    Floats,
    Metric,
    area_under_roc,
    bootstrap_interval,
    bootstrap_intervals,
    equal_error_rate,
)
from telltale_export.fusion.band import answered, band_of, width_for
from telltale_export.fusion.evidence import Evidence
from telltale_export.fusion.rules import (
    RivalForgeries,
    Rule,
    alone,
    fit_logistic,
    fit_rivals,
    majority_vote,
    weighted_average,
)

Folds = list[NDArray[np.intp]]
Fit = Callable[[Evidence], Rule]
RIVALS = "rival forgeries"
_FOLDS = 5
_AGREEMENT = 1e-3
_EVEN = 0.5
_ALONE = " alone"


@dataclass(frozen=True)
class Terms:
    """The prior and its shares as the gateway has them, the wanted error rate of answers, and the bootstrap."""

    prior_fake: float = 0.5
    shares: Mapping[Forgery, float] | None = None
    threshold: float = 0.5
    target: float = 0.05
    rounds: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Band:
    """An uncertain band for one rule, and what it is worth on groups that it was not chosen on.

    ``band`` is chosen on all files, none where no band reaches the target; ``risk`` and ``coverage`` are cross-fitted,
    shares in [0, 1] with both classes weighed alike, as the band is chosen.
    """

    band: tuple[float, float] | None
    risk: Interval | None
    coverage: Interval | None


@dataclass(frozen=True)
class Compared:
    """One rule: its figures by name, and its band."""

    name: str
    scores: Floats
    figures: Mapping[str, Interval | None]
    band: Band


@dataclass(frozen=True)
class Answers:
    """What one rule says of every file [N], fitted without its group.

    ``apart``: for each fold, of the files of all other folds [N - n], fitted without the fold and the file's own group.
    """

    scores: Floats
    apart: tuple[Floats, ...]


@dataclass(frozen=True)
class Edge:
    """The AUC of the gateway's rule minus that of the best single detector, on the same files and draws.

    ``detector`` is the best on these very files, which favours it.
    """

    detector: str
    difference: Interval


def compare(evidence: Evidence, terms: Terms) -> list[Compared]:
    """All rules, each detector by itself last.

    Raises:
        DataError: the prior is not the one that the gateway fused with, or there are too few groups to fit anything.
    """
    shares = terms.shares or {}
    rivals = RivalForgeries(terms.prior_fake, shares)
    _require_served(evidence, rivals)
    folds = _folds(evidence, terms.seed)

    def fixed(rule: Rule) -> Answers:
        return as_given(rule(evidence), folds)

    def fitted(fit: Fit) -> Answers:
        return cross_fitted(evidence, folds, fit, terms.seed)

    answers = {
        RIVALS: fixed(rivals),
        "rival forgeries, fitted": fitted(lambda part: fit_rivals(part, terms.prior_fake)),
        "weighted average": fixed(weighted_average),
        "majority vote": fixed(majority_vote),
        "logistic regression, fitted": fitted(fit_logistic),
    }
    answers |= {f"{name}{_ALONE}": fixed(alone(index)) for index, name in enumerate(evidence.detectors)}
    return [_compared(name, each, evidence, folds, terms) for name, each in answers.items()]


def against_best(rules: list[Compared], evidence: Evidence, terms: Terms) -> Edge:
    """What the ensemble adds to the best of its detectors; one half is the score where a detector says nothing."""
    singles = [rule for rule in rules if rule.name.endswith(_ALONE)]
    best = max(singles, key=lambda rule: area_under_roc(rule.scores, evidence.fake))
    (ensemble,) = (rule.scores for rule in rules if rule.name == RIVALS)

    def difference(places: Floats, fake: Bools, weights: Floats | None = None) -> float:
        drawn = places.astype(np.intp)
        ours, theirs = (area_under_roc(scores[drawn], fake, weights) for scores in (ensemble, best.scores))
        return ours - theirs

    places = np.arange(len(evidence.fake), dtype=np.float64)
    found = bootstrap_interval(difference, places, evidence.fake, evidence.groups, rounds=terms.rounds, seed=terms.seed)
    return Edge(best.name.removesuffix(_ALONE), found)


def as_given(scores: Floats, folds: Folds) -> Answers:
    """A rule of which nothing is fitted."""
    return Answers(scores, tuple(np.delete(scores, fold) for fold in folds))


def cross_fitted(evidence: Evidence, folds: Folds, fit: Fit, seed: int) -> Answers:
    """A rule that is fitted, and once more within what each fold leaves, for what is chosen there (Stone 1974)."""
    everything = np.arange(len(evidence.fake))
    apart = []
    for fold in folds:
        rest = evidence.where(np.setdiff1d(everything, fold))
        apart.append(_answered_apart(rest, _split(rest, seed), fit))
    return Answers(_answered_apart(evidence, folds, fit), tuple(apart))


def _compared(name: str, answers: Answers, evidence: Evidence, folds: Folds, terms: Terms) -> Compared:
    scores = answers.scores
    metrics: dict[str, Metric] = {"AUC": area_under_roc, "EER": equal_error_rate, "Brier": brier_score}
    metrics["accuracy"] = at_threshold(terms.threshold)["accuracy"]
    arrays = (scores, evidence.fake, evidence.groups)
    figures = bootstrap_intervals(metrics, *arrays, rounds=terms.rounds, seed=terms.seed, shares=("accuracy",))
    return Compared(name, scores, figures, _band(answers, evidence, folds, terms))


def _band(answers: Answers, evidence: Evidence, folds: Folds, terms: Terms) -> Band:
    scores = answers.scores
    said = np.zeros(len(scores), np.bool_)
    for fold, apart in zip(folds, answers.apart, strict=True):
        width = width_for(terms.target, apart, np.delete(evidence.fake, fold), terms.threshold)
        if width is not None:
            said[fold] = answered(scores[fold], width, terms.threshold)
    wrong = (scores >= terms.threshold) != evidence.fake

    # The band is chosen with both classes weighed alike: counted by files, its risk would follow their share of fakes.
    def risk(places: Floats, fake: Bools, weights: Floats) -> float:
        drawn, alike = places.astype(np.intp), both_alike(fake, weights)
        spoken = float(alike[said[drawn]].sum())
        return float(alike[said[drawn] & wrong[drawn]].sum()) / spoken if spoken else float("nan")

    def coverage(places: Floats, fake: Bools, weights: Floats) -> float:
        return min(float(both_alike(fake, weights)[said[places.astype(np.intp)]].sum()), 1.0)  # sums round to above 1

    places = np.arange(len(scores), dtype=np.float64)
    metrics: dict[str, Metric] = {"risk": risk, "coverage": coverage}
    found = bootstrap_intervals(
        metrics, places, evidence.fake, evidence.groups, rounds=terms.rounds, seed=terms.seed, shares=tuple(metrics)
    )
    width = width_for(terms.target, scores, evidence.fake, terms.threshold)
    return Band(
        band=None if width is None else band_of(width, terms.threshold),
        risk=found["risk"],
        coverage=found["coverage"],
    )


def _folds(evidence: Evidence, seed: int) -> Folds:
    groups = _groups(evidence)
    if groups < _FOLDS:
        raise DataError(
            f"One class has {groups} groups; {_FOLDS} are needed to fit on some and answer for others.",
            "Evaluate more media, of more groups.",
        )
    return _split(evidence, seed)


def _split(evidence: Evidence, seed: int) -> Folds:
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - half a second

    splitter = StratifiedGroupKFold(min(_FOLDS, _groups(evidence)), shuffle=True, random_state=seed)
    return [held_out for _, held_out in splitter.split(evidence.scores, evidence.fake, evidence.groups)]


def _groups(evidence: Evidence) -> int:
    """Of the class that has fewer."""
    return min(len(np.unique(evidence.groups[evidence.fake == label])) for label in (False, True))


def _answered_apart(evidence: Evidence, folds: Folds, fit: Fit) -> Floats:
    scores = np.full(len(evidence.fake), _EVEN)
    everything = np.arange(len(scores))
    for fold in folds:
        scores[fold] = fit(evidence.where(np.setdiff1d(everything, fold)))(evidence.where(fold))
    return scores


def _require_served(evidence: Evidence, rivals: RivalForgeries) -> None:
    apart = np.abs(rivals(evidence) - evidence.served)
    if apart.max() > _AGREEMENT:
        raise DataError(
            f"The gateway fused otherwise: of {int((apart > _AGREEMENT).sum())} files the score differs, by up to "
            f"{apart.max():.3f}.",
            "Give its TELLTALE_FUSION__PRIOR_FAKE and __SHARES with --prior-fake and --share.",
        )
