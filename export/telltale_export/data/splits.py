"""Divide media into training, calibration and test so that no group is in two of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from telltale_export.data.checks import require_apart
from telltale_export.data.items import SPLITS, MediaItem, SplitName
from telltale_export.errors import DataError


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

    A split that the data set gives is kept; one that it lacks is taken from the groups that it gives for training.

    Args:
        items: media of at least three groups.
        shares: the wanted shares.
        seed: decides between groups that are equally good.
        stratum: what is to be spread evenly.

    Raises:
        DataError: fewer than three groups, or one is in two of the splits that the data set gives.
    """
    shares = shares or Shares()
    require_apart(items)
    strata: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        strata[item.group][stratum(item)] += 1
    if len(strata) < len(SPLITS):
        raise DataError(f"{len(strata)} groups cannot be divided into three splits.", "Label more groups.")
    given = {item.group: item.split for item in items if item.split is not None}
    assigned = _keep_given(strata, given, shares, seed)
    parts = {name: tuple(item for item in items if assigned[item.group] == name) for name in SPLITS}
    groups = Counter(assigned.values())
    sizes = ", ".join(f"{name} {groups[name]} groups/{len(parts[name])} media" for name in SPLITS)
    missing = [name for name in SPLITS if name not in given.values() and name != "training"]
    how = f"spread evenly over source and family, seed {seed}"
    if given:
        how = "as the data set gives them" + (f", {' and '.join(missing)} out of training, {how}" if missing else "")
    return Split(**parts, description=f"whole groups, {how}: {sizes}")


def _keep_given(
    strata: dict[str, Counter[str]], given: Mapping[str, SplitName], shares: Shares, seed: int
) -> dict[str, SplitName]:
    missing = [name for name in SPLITS if name not in given.values()]
    names = {"training", *missing} if given else set(SPLITS)
    kept = {group: split for group, split in given.items() if split != "training" or not missing}
    rest = {group: counts for group, counts in strata.items() if group not in kept}
    total = sum(getattr(shares, name) for name in names)
    wanted: dict[SplitName, float] = {name: getattr(shares, name) / total for name in SPLITS if name in names}
    return kept | _assign(rest, wanted, seed)


def _assign(strata: dict[str, Counter[str]], wanted: dict[SplitName, float], seed: int) -> dict[str, SplitName]:
    random = np.random.default_rng(seed)
    names = tuple(wanted)
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
            tie = dict(zip(names, random.random(len(names)), strict=True))
            best = max(names, key=lambda name: (lack[name][rarest], sum(lack[name].values()), tie[name]))
            assigned[group] = best
            for key, count in strata[group].items():
                lack[best][key] -= count
    return assigned
