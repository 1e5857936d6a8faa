"""Rival forgeries: how the detectors' evidence becomes one probability.

Detectors test different forgeries, so their scores are not averaged: a cloned voice under a genuine face is a forgery.
Each calibrated score becomes a likelihood ratio. Those of one forgery are correlated, so their logarithms are averaged
by weight; the forgeries are rival explanations, each with a prior.

    P(fake)      = sum_k pi_k LR_k / (sum_k pi_k LR_k + 1 - sum_k pi_k)
    P(forgery k) = pi_k LR_k / (sum_k pi_k LR_k + 1 - sum_k pi_k)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from telltale_contracts import Forgery

_EDGE = 1e-6


@dataclass(frozen=True)
class Evidence:
    """What one detector found: its calibrated P(fake), and the prior of the set on which that was calibrated."""

    detector: str
    forgery: Forgery
    score: float
    calibration_prior: float
    weight: float

    @property
    def log_likelihood_ratio(self) -> float:
        """log of p / (1 - p) x (1 - prior) / prior; scores are kept 1e-6 away from 0 and 1."""
        return log_odds(self.score) - log_odds(self.calibration_prior)


@dataclass(frozen=True)
class Fused:
    """The fused P(fake), its logarithm of odds, and the share of each forgery."""

    score: float
    log_odds: float
    forgeries: Mapping[Forgery, float]


class RivalForgeries:
    """The fusion rule, with P(fake) before any evidence and how it is shared among forgeries."""

    def __init__(self, prior_fake: float, shares: Mapping[Forgery, float]) -> None:
        self._prior_fake = prior_fake
        self._shares = shares

    def fuse(self, in_question: Sequence[Forgery], evidence: Iterable[Evidence]) -> Fused:
        """Fuse over the forgeries that the medium can carry.

        The prior of P(fake) is shared among those in question, so one that drops out does not make a medium more
        genuine; one in question without evidence keeps its share, with a likelihood ratio of 1.
        """
        shares = {forgery: self._shares.get(forgery, 1.0) for forgery in in_question}
        total = sum(shares.values())
        ratios = _log_ratios(evidence)
        weighed = {
            forgery: math.log(self._prior_fake * share / total) + ratios.get(forgery, 0.0)
            for forgery, share in shares.items()
        }
        fake = _log_sum(weighed.values())
        genuine = math.log(1.0 - self._prior_fake)
        whole = _log_sum([fake, genuine])
        return Fused(
            score=math.exp(fake - whole),
            log_odds=fake - genuine,
            forgeries={forgery: math.exp(value - whole) for forgery, value in weighed.items()},
        )

    def contribution(self, in_question: Sequence[Forgery], evidence: Sequence[Evidence], left_out: Evidence) -> float:
        """By how much the fused log-odds would fall if one detector had not answered."""
        rest = [item for item in evidence if item is not left_out]
        return self.fuse(in_question, evidence).log_odds - self.fuse(in_question, rest).log_odds


def log_odds(probability: float) -> float:
    """log(p / (1 - p)), of a probability kept 1e-6 away from 0 and 1."""
    clipped = min(max(probability, _EDGE), 1.0 - _EDGE)
    return math.log(clipped / (1.0 - clipped))


def probability(odds: float) -> float:
    """The inverse of log_odds."""
    return 1.0 / (1.0 + math.exp(-odds)) if odds >= 0 else math.exp(odds) / (1.0 + math.exp(odds))


def contradictions(evidence: Iterable[Evidence], strong: float) -> list[tuple[Evidence, Evidence]]:
    """Pairs of detectors of one forgery of which one says at least ``strong`` and the other at most 1 - strong."""
    by_forgery: dict[Forgery, list[Evidence]] = {}
    for item in evidence:
        by_forgery.setdefault(item.forgery, []).append(item)
    pairs = []
    for items in by_forgery.values():
        low, high = min(items, key=lambda e: e.score), max(items, key=lambda e: e.score)
        if high.score >= strong and low.score <= 1.0 - strong:
            pairs.append((high, low))
    return pairs


def _log_ratios(evidence: Iterable[Evidence]) -> dict[Forgery, float]:
    sums: dict[Forgery, tuple[float, float]] = {}
    for item in evidence:
        total, weight = sums.get(item.forgery, (0.0, 0.0))
        sums[item.forgery] = (total + item.weight * item.log_likelihood_ratio, weight + item.weight)
    return {forgery: total / weight for forgery, (total, weight) in sums.items()}


def _log_sum(logs: Iterable[float]) -> float:
    values = list(logs)
    highest = max(values)
    return highest + math.log(sum(math.exp(value - highest) for value in values))
