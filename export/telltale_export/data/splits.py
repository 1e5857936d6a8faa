"""Divide media into training, calibration and test so that no group is in two of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from telltale_export.data.labels import MediaItem
from telltale_export.errors import DataError

SplitName = Literal["training", "calibration", "test"]
SPLITS: tuple[SplitName, ...] = ("training", "calibration", "test")


@dataclass(frozen=True)
class Shares:
    """How much of the media each split is to hold, as near as whole groups allow."""

    training: float = 0.65
    calibration: float = 0.15
    test: float = 0.20

    def __post_init__(self) -> None:
        if min(self.training, self.calibration, self.test) <= 0 or not np.isclose(
            self.training + self.calibration + self.test, 1.0
        ):
            raise ValueError(f"shares must be positive and add up to 1: {self}")


@dataclass(frozen=True)
class Split:
    """Media in three parts that share no group; ``description`` says how they came to be, for the card."""

    training: tuple[MediaItem, ...]
    calibration: tuple[MediaItem, ...]
    test: tuple[MediaItem, ...]
    description: str


def split_by_group(
    items: Sequence[MediaItem],
    shares: Shares | None = None,
    seed: int = 0,
    stratum: Callable[[MediaItem], str] = lambda item: f"{item.source}/{item.family}",
) -> Split:
    """Divide media by group, each source and family spread over the splits as evenly as whole groups allow.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011) over groups: the rarest stratum first, each of its
    groups goes to the split that lacks that stratum most. The same items, shares and seed give the same split.

    Args:
        items: media of at least three groups.
        shares: the wanted shares.
        seed: decides between groups that are equally good.
        stratum: what is to be spread evenly.

    Raises:
        DataError: fewer than three groups.
    """
    shares = shares or Shares()
    wanted = {name: getattr(shares, name) for name in SPLITS}
    strata: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        strata[item.group][stratum(item)] += 1
    if len(strata) < len(SPLITS):
        raise DataError(f"{len(strata)} groups cannot be divided into three splits.", "Label more groups.")
    assigned = _assign(strata, wanted, seed)
    parts = {name: tuple(item for item in items if assigned[item.group] == name) for name in SPLITS}
    groups = Counter(assigned.values())
    sizes = ", ".join(f"{name} {groups[name]} groups/{len(parts[name])} media" for name in SPLITS)
    return Split(**parts, description=f"whole groups, spread evenly over source and family, seed {seed}: {sizes}")


def _assign(strata: dict[str, Counter[str]], wanted: dict[SplitName, float], seed: int) -> dict[str, SplitName]:
    random = np.random.default_rng(seed)
    totals: Counter[str] = Counter()
    for counts in strata.values():
        totals.update(counts)
    lack = {name: {key: share * totals[key] for key in totals} for name, share in wanted.items()}
    assigned: dict[str, SplitName] = {}
    while len(assigned) < len(strata):
        left = [group for group in sorted(strata) if group not in assigned]
        remaining = Counter(key for group in left for key in strata[group])
        rarest = min(sorted(remaining), key=lambda key: remaining[key])
        candidates = [group for group in left if rarest in strata[group]]
        for index in random.permutation(len(candidates)):
            group = candidates[int(index)]
            tie = dict(zip(SPLITS, random.random(len(SPLITS)), strict=True))
            best = max(SPLITS, key=lambda name: (lack[name][rarest], sum(lack[name].values()), tie[name]))
            assigned[group] = best
            for key, count in strata[group].items():
                lack[best][key] -= count
    return assigned
