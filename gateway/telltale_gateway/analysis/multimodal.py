"""Several media about one thing: an audio, an image, a video of it; their verdicts become one.

Each medium was judged by itself. By name of the method:

- ``rival_forgeries``: a forgery in one medium suffices, so the media are rival explanations as forgeries are. Each
  verdict is a likelihood ratio LR_m = odds(P_m) / odds(prior); P = pi S / (pi S + 1 - pi) with S = sum_m w_m LR_m and
  the weights adding up to 1.
- ``weighted_average``: sum_m w_m P_m.
- ``majority_vote``: each medium votes with its weight for the word that it was called, and the larger of the two
  sides wins; a tie is uncertain. One that is uncertain, or could not be judged, votes for nobody. What comes of it is a
  share of the votes, which is no probability.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from telltale_gateway.analysis.fusion import log_odds, probability
from telltale_gateway.analysis.judgement import LabelRules
from telltale_gateway.analysis.verdict import Label, Verdict

Part = Literal["audio", "image", "video"]
Method = Literal["rival_forgeries", "weighted_average", "majority_vote"]


@dataclass(frozen=True)
class Votes:
    """Shares of all weights that were asked: for fake, for real, and for neither; they add up to 1."""

    fake: float
    real: float
    undecided: float


@dataclass(frozen=True)
class Joint:
    """What several media are called together, and the weight that each one had.

    ``confidence`` is max(P, 1 - P) of the fused probability; of a vote the share of all votes that the winner has, or
    of a tie either side. ``score`` is P(fake), which a vote does not give.
    """

    label: Label
    confidence: float
    weights: Mapping[Part, float]
    score: float | None = None
    votes: Votes | None = None


def join(
    verdicts: Mapping[Part, Verdict],
    method: Method,
    weights: Mapping[Part, float],
    *,
    unjudged: Collection[Part] = (),
    prior_fake: float,
    rules: LabelRules,
) -> Joint:
    """Fuse at least one verdict; a medium without a weight of its own has 1, before they are made to add up to 1.

    ``unjudged``: media that were sent and could not be judged. Their weights count among all votes, and nowhere else.

    Raises:
        ValueError: all weights of the media that were judged are zero.
    """
    if method == "majority_vote":
        return _vote(verdicts, weights, unjudged)
    shares = _shares(verdicts, weights, ())
    if method == "rival_forgeries":
        score = _rivals(verdicts, shares, prior_fake)
    else:
        score = sum(share * verdicts[part].score for part, share in shares.items())
    score = min(1.0, max(0.0, score))
    return Joint(rules.label(score), max(score, 1.0 - score), shares, score=score)


def require_weight(parts: Iterable[Part], weights: Mapping[Part, float]) -> None:
    """See that one of these media has a weight above zero.

    Raises:
        ValueError: none has.
    """
    if not any(weights.get(part, 1.0) > 0.0 for part in parts):
        raise ValueError("the weights of all media that could be judged are zero")


def _shares(
    verdicts: Mapping[Part, Verdict], weights: Mapping[Part, float], unjudged: Collection[Part]
) -> dict[Part, float]:
    """The weight of each medium that was judged, of those of all that count."""
    require_weight(verdicts, weights)
    total = sum(weights.get(part, 1.0) for part in (*verdicts, *unjudged))
    return {part: weights.get(part, 1.0) / total for part in verdicts}


def _rivals(verdicts: Mapping[Part, Verdict], shares: Mapping[Part, float], prior_fake: float) -> float:
    prior = log_odds(prior_fake)
    ratio = sum(share * math.exp(log_odds(verdicts[part].score) - prior) for part, share in shares.items())
    return probability(prior + math.log(ratio))


def _vote(verdicts: Mapping[Part, Verdict], weights: Mapping[Part, float], unjudged: Collection[Part]) -> Joint:
    shares = _shares(verdicts, weights, unjudged)
    fake, real = (
        math.fsum(share for part, share in shares.items() if verdicts[part].label == side) for side in ("fake", "real")
    )
    label: Label = "uncertain" if math.isclose(fake, real) else "fake" if fake > real else "real"
    votes = Votes(fake, real, max(0.0, 1.0 - fake - real))
    return Joint(label, max(fake, real), shares, votes=votes)
