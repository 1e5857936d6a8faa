"""The rules by name: rival forgeries as the gateway fuses, weighted average, majority vote, and what can be fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from telltale_contracts import Forgery

from telltale_export.evaluation.metrics import Floats
from telltale_export.fusion.evidence import Evidence

Rule = Callable[[Evidence], Floats]
_MOST_STEPS = 200


@dataclass(frozen=True)
class RivalForgeries:
    """The gateway's rule, for all files at once.

        P(fake) = sum_k pi_k LR_k / (sum_k pi_k LR_k + 1 - sum_k pi_k)

    Log likelihood ratios of one forgery are averaged by weight; the prior is shared among the forgeries in question,
    and one without evidence keeps its share with a ratio of 1.

    ``shares``: of the prior, by forgery; 1 where none is named. ``weights`` [D]: the manifests' own when not given.
    """

    prior_fake: float
    shares: Mapping[Forgery, float]
    weights: Floats | None = None

    def __call__(self, evidence: Evidence) -> Floats:
        """P(fake) of each file [N]."""
        weights = np.where(evidence.said, evidence.weights if self.weights is None else self.weights, 0.0)
        of = np.eye(len(evidence.forgeries))[list(evidence.forgery_of)]
        total = weights @ of
        ratios = np.divide((weights * evidence.log_ratios) @ of, total, out=np.zeros_like(total), where=total > 0)
        shares = np.array([self.shares.get(forgery, 1.0) for forgery in evidence.forgeries]) * evidence.in_question
        priors = self.prior_fake * shares / shares.sum(axis=1, keepdims=True)
        fake = (priors * np.exp(ratios)).sum(axis=1)
        return np.asarray(fake / (fake + 1.0 - self.prior_fake))


def weighted_average(evidence: Evidence) -> Floats:
    """The scores' mean by weight, over the detectors that have one."""
    weights = np.where(evidence.said, evidence.weights, 0.0)
    return np.asarray((weights * np.nan_to_num(evidence.scores)).sum(axis=1) / weights.sum(axis=1))


def majority_vote(evidence: Evidence) -> Floats:
    """The share of detectors that call it fake (one half or more), over those that have a score."""
    votes = np.where(evidence.said, evidence.scores >= 0.5, False)
    return np.asarray(votes.sum(axis=1) / evidence.said.sum(axis=1))


def alone(detector: int) -> Rule:
    """One detector by itself, at even odds; one half where it says nothing."""
    return lambda evidence: np.asarray(1.0 / (1.0 + np.exp(-evidence.log_ratios[:, detector])))


def fit_logistic(evidence: Evidence) -> Rule:
    """Logistic regression on the log likelihood ratios, both classes weighed alike (L2, scikit-learn's default)."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - half a second

    model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(evidence.log_ratios, evidence.fake)
    return lambda other: np.asarray(model.predict_proba(other.log_ratios)[:, 1])


def fit_rivals(evidence: Evidence, prior_fake: float) -> RivalForgeries:
    """The shares and weights of rival forgeries that make the log loss least, both classes weighed alike.

    What the data say little of stays near equal shares and the manifests' weights: a tenth of the mean square of the
    parameters' logarithms is added to the loss.
    """
    from scipy.optimize import minimize  # noqa: PLC0415

    kinds = len(evidence.forgeries)
    balance = np.where(evidence.fake, 1.0 / evidence.fake.sum(), 1.0 / (~evidence.fake).sum()) / 2.0

    def rule(logs: Floats) -> RivalForgeries:
        shares = dict(zip(evidence.forgeries, np.exp(logs[:kinds]).tolist(), strict=True))
        return RivalForgeries(prior_fake, shares, evidence.weights * np.exp(logs[kinds:]))

    def loss(logs: Floats) -> float:
        score = np.clip(rule(logs)(evidence), 1e-6, 1.0 - 1e-6)
        right = np.where(evidence.fake, score, 1.0 - score)
        return float(-(balance * np.log(right)).sum() + 0.1 * np.mean(logs**2))

    start = np.zeros(kinds + len(evidence.detectors))
    return rule(minimize(loss, start, method="L-BFGS-B", options={"maxiter": _MOST_STEPS}).x)
