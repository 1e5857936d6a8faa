"""Several media about one thing: an audio, an image, a video of it; their verdicts become one.

Each medium was judged by itself. By name of the method:

- ``rival_forgeries``: a forgery in one medium suffices, so the media are rival explanations as forgeries are. Each
  verdict is a likelihood ratio LR_m = odds(P_m) / odds(prior); P = pi S / (pi S + 1 - pi) with S = sum_m w_m LR_m and
  the weights adding up to 1.
- ``weighted_average``: sum_m w_m P_m.
- ``majority_vote``: the weights of those called fake, of all that are called fake or real; 0.5 where none is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from telltale_gateway.analysis.fusion import log_odds, probability
from telltale_gateway.analysis.judgement import LabelRules
from telltale_gateway.analysis.verdict import Label, Verdict

Part = Literal["audio", "image", "video"]
Method = Literal["rival_forgeries", "weighted_average", "majority_vote"]


@dataclass(frozen=True)
class Joint:
    """The fused P(fake), its label, and the weight that each medium had; the weights add up to 1."""

    score: float
    label: Label
    weights: Mapping[Part, float]


def join(
    verdicts: Mapping[Part, Verdict],
    method: Method,
    weights: Mapping[Part, float],
    *,
    prior_fake: float,
    rules: LabelRules,
) -> Joint:
    """Fuse at least one verdict; a medium without a weight of its own has 1, before they are made to add up to 1.

    Raises:
        ValueError: all weights of the media that were judged are zero.
    """
    raw = {part: weights.get(part, 1.0) for part in verdicts}
    total = sum(raw.values())
    if total <= 0.0:
        raise ValueError("the weights of all media that could be judged are zero")
    shares = {part: weight / total for part, weight in raw.items()}
    match method:
        case "rival_forgeries":
            score = _rivals(verdicts, shares, prior_fake)
        case "weighted_average":
            score = sum(share * verdicts[part].score for part, share in shares.items())
        case "majority_vote":
            score = _votes(verdicts, shares)
    return Joint(min(1.0, max(0.0, score)), _label(score, method, rules), shares)


def _rivals(verdicts: Mapping[Part, Verdict], shares: Mapping[Part, float], prior_fake: float) -> float:
    prior = log_odds(prior_fake)
    ratio = sum(share * math.exp(log_odds(verdicts[part].score) - prior) for part, share in shares.items())
    return probability(prior + math.log(ratio))


def _votes(verdicts: Mapping[Part, Verdict], shares: Mapping[Part, float]) -> float:
    fake = sum(share for part, share in shares.items() if verdicts[part].label == "fake")
    real = sum(share for part, share in shares.items() if verdicts[part].label == "real")
    return fake / (fake + real) if fake + real > 0.0 else 0.5


def _label(score: float, method: Method, rules: LabelRules) -> Label:
    if method == "majority_vote":
        return "uncertain" if math.isclose(score, 0.5) else "fake" if score > 0.5 else "real"
    low, high = rules.uncertain
    if low < score < high:
        return "uncertain"
    return "fake" if score >= rules.threshold else "real"
