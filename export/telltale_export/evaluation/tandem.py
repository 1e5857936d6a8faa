"""The tandem detection cost of speech: a spoofing countermeasure in front of a speaker verification system (ASV)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telltale_export.evaluation.metrics import Bools, Floats, roc


@dataclass(frozen=True)
class Verification:
    """The error rates of the ASV behind the countermeasure, and what its errors cost.

    Priors and costs are those of ASVspoof 2019 and 2021 (Kinnunen 2020): one trial in twenty is spoofed, one of a
    hundred others is by an impostor, and accepting either costs ten times as much as turning a speaker away. The error
    rates are an assumption, since there is no ASV here: one with an equal error rate of 2.5 %, which 30 % of the spoofs
    deceive. Figures compare only where they are the same.
    """

    miss: float = 0.025
    false_alarm: float = 0.025
    spoofs_accepted: float = 0.30
    prior_spoof: float = 0.05
    impostors: float = 0.01
    cost_miss: float = 1.0
    cost_false_alarm: float = 10.0
    cost_spoof: float = 10.0

    def __post_init__(self) -> None:
        if not all(0.0 <= rate <= 1.0 for rate in (self.miss, self.false_alarm, self.spoofs_accepted)):
            raise ValueError(f"error rates lie in [0, 1]: {self}")

    def said(self) -> str:
        """The assumptions in words, for a report."""
        return (
            f"ASV assumed to miss {self.miss:.1%}, to accept {self.false_alarm:.1%} of impostors and "
            f"{self.spoofs_accepted:.0%} of spoofs; spoof prior {self.prior_spoof:g}, costs {self.cost_miss:g}, "
            f"{self.cost_false_alarm:g} and {self.cost_spoof:g}"
        )


class MinTandemCost:
    """min t-DCF of P(fake), normalised: 1 is a countermeasure that helps nothing, 0 one that never errs.

    The ASV-constrained form of Kinnunen et al., "Tandem assessment of spoofing countermeasures and automatic speaker
    verification: fundamentals", IEEE/ACM TASLP 28, 2020, as ASVspoof 2021 evaluates:

        t-DCF(s) = C0 + C1 P_miss(s) + C2 P_fa(s),  divided by C0 + min(C1, C2)

    P_miss is the share of bona fide speech that is taken for spoofed, P_fa the share of spoofs that pass.
    """

    def __init__(self, asv: Verification) -> None:
        speakers = (1.0 - asv.prior_spoof) * (1.0 - asv.impostors)
        impostors = (1.0 - asv.prior_spoof) * asv.impostors
        self._c0 = speakers * asv.cost_miss * asv.miss + impostors * asv.cost_false_alarm * asv.false_alarm
        self._c1 = speakers * asv.cost_miss - self._c0
        self._c2 = asv.prior_spoof * asv.cost_spoof * asv.spoofs_accepted
        if min(self._c1, self._c2) <= 0:
            raise ValueError(f"with these error rates no countermeasure can help: {asv}")

    def __call__(self, scores: Floats, fake: Bools, weights: Floats) -> float:
        """min t-DCF of scores [N] with ``fake`` [N] and weights [N].

        Raises:
            ValueError: only one class is there.
        """
        turned_away, caught = roc(scores, fake, weights)
        costs = self._c0 + self._c1 * turned_away + self._c2 * (1.0 - caught)
        return float(np.min(costs) / (self._c0 + min(self._c1, self._c2)))
