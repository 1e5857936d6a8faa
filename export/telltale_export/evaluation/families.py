"""One measurement for the whole held-out set and one for each family of forgeries in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Interval, Measurement, Medium

from telltale_export.data import MediaItem
from telltale_export.evaluation.metrics import (
    FEW_GROUPS,
    Bools,
    Floats,
    area_under_roc,
    bootstrap_interval,
    equal_error_rate,
    share_interval,
)

ALL_FAMILIES = "all"
OWN_SOURCES = "against the genuine media of the same sources"


@dataclass(frozen=True)
class ScoredSet:
    """Held-out media and their calibrated P(fake): five arrays of [N]."""

    scores: Floats
    fake: Bools
    families: NDArray[np.str_]
    sources: NDArray[np.str_]
    groups: NDArray[np.str_]

    @classmethod
    def of(cls, items: Sequence[MediaItem], scores: Sequence[float] | Floats) -> ScoredSet:
        """Scores beside the items that they are of, in the same order.

        Raises:
            ValueError: not as many scores as items, or one is not finite.
        """
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != (len(items),) or not np.isfinite(values).all():
            raise ValueError(f"{len(items)} items need as many finite scores, not {values.shape}")
        return cls(
            scores=values,
            fake=np.array([item.fake for item in items], dtype=np.bool_),
            families=np.array([item.family for item in items]),
            sources=np.array([item.source for item in items]),
            groups=np.array([item.group for item in items]),
        )

    def where(self, chosen: Bools) -> ScoredSet:
        """The items at which ``chosen`` [N] is true."""
        return ScoredSet(
            self.scores[chosen], self.fake[chosen], self.families[chosen], self.sources[chosen], self.groups[chosen]
        )


@dataclass(frozen=True)
class Terms:
    """How a measurement is taken; ``split`` and ``unit`` as in ``Measurement``, ``rounds`` of the bootstrap."""

    medium: Medium
    split: str
    unit: str
    threshold: float = 0.5
    rounds: int = 1000
    seed: int = 0


def measure(scored: ScoredSet, terms: Terms) -> tuple[Measurement, ...]:
    """The whole held-out set first, with its log loss as a note, then each family of fakes, in the order of names."""
    parts = ((family, scored.where(chosen), note) for family, chosen, note in by_family(scored))
    families = tuple(_one(part, family, note, terms) for family, part, note in parts)
    return (_one(scored, ALL_FAMILIES, _log_loss(scored), terms), *families)


def by_family(scored: ScoredSet) -> Iterator[tuple[str, Bools, str]]:
    """Each family of fakes in the order of names: which items [N] it is measured on, and against what, in words.

    A family stands against the genuine media of its own sources where there are any, so that a difference between
    sources does not pass for skill; otherwise against all genuine media.
    """
    for family in sorted(set(scored.families[scored.fake].tolist())):
        of_family = scored.fake & (scored.families == family)
        siblings = ~scored.fake & np.isin(scored.sources, scored.sources[of_family])
        note = OWN_SOURCES
        if not siblings.any():
            siblings, note = ~scored.fake, "no genuine media of the same source: against all genuine media"
        yield family, of_family | siblings, note


def worst_family(measured: Iterable[Measurement]) -> Measurement | None:
    """The family with the lowest AUC, none where no family could be measured."""
    families = [m for m in measured if m.family != ALL_FAMILIES and m.auc is not None]
    return min(families, key=lambda m: m.auc.value if m.auc else 1.0, default=None)


def table(measured: Iterable[Measurement]) -> str:
    """The measurements as lines of text, for a terminal."""
    measured = tuple(measured)
    lines = [f"{'medium':7} {'family':22} {'real':>5} {'fake':>5} {'groups':>6}  {'AUC':22} {'EER':22} false alarms"]
    lines += [
        f"{m.medium:7} {m.family:22} {m.n_real:5d} {m.n_fake:5d} {m.n_groups:6d}  {_cell(m.auc):22} {_cell(m.eer):22} "
        f"{_cell(m.false_alarm_rate)}   {m.split}"
        for m in measured
    ]
    if any(m.n_groups < FEW_GROUPS for m in measured):
        lines.append(f"With fewer than {FEW_GROUPS} groups intervals are too narrow.")
    return "\n".join(lines)


def _cell(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _one(scored: ScoredSet, family: str, note: str | None, terms: Terms) -> Measurement:
    auc = eer = alarms = None
    if scored.fake.any() and not scored.fake.all():
        arrays = (scored.scores, scored.fake, scored.groups)
        auc = bootstrap_interval(area_under_roc, *arrays, rounds=terms.rounds, seed=terms.seed)
        eer = bootstrap_interval(equal_error_rate, *arrays, rounds=terms.rounds, seed=terms.seed)
    if not scored.fake.all():
        real = scored.where(~scored.fake)
        alarms = share_interval(real.scores >= terms.threshold, real.groups, rounds=terms.rounds, seed=terms.seed)
    return Measurement(
        medium=terms.medium,
        family=family,
        split=terms.split,
        n_real=int((~scored.fake).sum()),
        n_fake=int(scored.fake.sum()),
        n_groups=len(np.unique(scored.groups)),
        unit=terms.unit,
        auc=_rounded(auc),
        eer=_rounded(eer),
        false_alarm_rate=_rounded(alarms),
        note=note,
    )


def _log_loss(scored: ScoredSet) -> str | None:
    if not scored.fake.any() or scored.fake.all():
        return None
    right = np.clip(np.where(scored.fake, scored.scores, 1.0 - scored.scores), 1e-6, 1.0)
    loss = -(np.log(right[scored.fake]).mean() + np.log(right[~scored.fake]).mean()) / 2.0
    return f"log loss with both classes weighed alike: {loss:.3f}; answering 0.5 always would give 0.693"


def _rounded(interval: Interval | None) -> Interval | None:
    if interval is None:
        return None
    return Interval(
        value=round(interval.value, 4),
        low=round(interval.low, 4),
        high=round(interval.high, 4),
        level=interval.level,
    )
