"""The canary's watch: it is taken out by itself when it errs, is slow, or scores otherwise than the live version."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from telltale_gateway.rollout.comparison import Comparison, Difference
from telltale_gateway.rollout.fleet import Deployed
from telltale_gateway.rollout.releases import Release

_KEPT = 500
_VERSIONS_KEPT = 64
_HALF = 50.0


@dataclass(frozen=True)
class CanaryRules:
    """When a canary is taken out.

    ``min_errors`` and ``max_error_rate``: that many errors, and that share of its requests, where the live version
    answered the same request. ``latency_factor``: its p95 over the live version's, each from at least ``min_requests``.
    A canary with more than half of the traffic leaves the live version too few: its last ones from before count then.
    ``drift_p`` and ``drift_distance``: a Kolmogorov-Smirnov test between both versions' scores of the same inputs, at
    least ``min_pairs`` different ones, with a smaller p and a greater distance. The test is repeated as inputs come in,
    so p must be far below the usual 0.05. Both say how sure a difference is, and not how great: of inputs that are much
    alike any offset gives the distance 1. So the scores must also differ by more than ``drift_difference`` on average.
    ``max_flipped``: that share of these inputs may it see on the other side of its threshold than the live version; a
    test between distributions does not see who says the opposite.
    """

    min_errors: int
    max_error_rate: float
    min_requests: int
    latency_factor: float
    min_pairs: int
    drift_p: float
    drift_distance: float
    drift_difference: float
    max_flipped: float


class Watches:
    """The watch of each detector's present canary."""

    def __init__(self, rules: CanaryRules) -> None:
        self._rules = rules
        self._watches: dict[str, CanaryWatch] = {}
        self._lately: dict[tuple[str, int, str], deque[float]] = {}

    def of(self, deployed: Deployed) -> CanaryWatch | None:
        """The watch of a detector's canary, begun when the canary is new; None where there is no canary."""
        if deployed.canary is None or deployed.release is None:
            return None
        watch = self._watches.get(deployed.name)
        if watch is None or not watch.is_of(deployed):
            before = tuple(self._of_live(deployed.name, deployed.release))
            watch = CanaryWatch(deployed.release, deployed.canary.release, self._rules, before)
            self._watches[deployed.name] = watch
        return watch

    def live_answered(self, deployed: Deployed, seconds: float) -> None:
        """The live version of a detector answered a request, whether there is a canary or not."""
        if deployed.release is not None:
            self._of_live(deployed.name, deployed.release).append(seconds)

    def breach(self, deployed: Deployed) -> str | None:
        """Why the canary of a detector must be taken out, or None."""
        watch = self.of(deployed)
        return watch.breach(deployed.canary.percent) if watch is not None and deployed.canary is not None else None

    def end(self, detector: str) -> None:
        """A canary was taken out, or ended by an order; should it come back, it is judged by what it does then."""
        self._watches.pop(detector, None)

    def _of_live(self, name: str, release: Release) -> deque[float]:
        key = (name, release.card.version, release.sha256)
        lately = self._lately.pop(key, None) or deque(maxlen=_KEPT)
        self._lately[key] = lately
        if len(self._lately) > _VERSIONS_KEPT:
            del self._lately[next(iter(self._lately))]
        return lately


class CanaryWatch:
    """What one canary and the version beside it did, over the last requests.

    ``before``: what the live version's last requests took before this canary was there, in seconds.
    """

    def __init__(self, live: Release, canary: Release, rules: CanaryRules, before: Sequence[float] = ()) -> None:
        self._rules = rules
        self._before = before
        self.live = live
        self.canary = canary
        self.comparison = Comparison(live, canary)
        self.requests = 0
        self.errors = 0
        self._of_canary: deque[float] = deque(maxlen=_KEPT)
        self._of_live: deque[float] = deque(maxlen=_KEPT)

    def is_of(self, deployed: Deployed) -> bool:
        """Whether this is the pair of versions that a detector now has."""
        return (
            deployed.canary is not None
            and deployed.canary.release.sha256 == self.canary.sha256
            and deployed.release is not None
            and (deployed.version, deployed.release.sha256) == (self.live.card.version, self.live.sha256)
            and deployed.canary.version == self.canary.card.version
        )

    def answered(self, version: int, seconds: float) -> None:
        """A version answered a request."""
        if version == self.canary.card.version:
            self.requests += 1
            self._of_canary.append(seconds)
        else:
            self._of_live.append(seconds)

    def failed(self) -> None:
        """The canary could not answer a request that the live version then answered."""
        self.requests += 1
        self.errors += 1

    def breach(self, percent: float) -> str | None:
        """Why the canary, with so large a share, must go, or None while it may stay."""
        rules = self._rules
        if self.errors >= rules.min_errors and self.errors > rules.max_error_rate * self.requests:
            return (
                f"error rate: {self.errors} of its {self.requests} requests failed, where the live version answered; "
                f"{rules.max_error_rate:.1%} is allowed"
            )
        return self._latency(percent) or self._drift(self.comparison.difference())

    def _latency(self, percent: float) -> str | None:
        of_live, when = tuple(self._of_live), ""
        if len(of_live) < self._rules.min_requests and percent > _HALF:
            of_live, when = (*self._before, *of_live)[-_KEPT:], " before that"
        canary, live = self._p95(self._of_canary), self._p95(of_live)
        if canary is None or live is None or canary <= self._rules.latency_factor * live:
            return None
        return (
            f"latency: its p95 is {canary * 1000:.0f} ms, the live version's{when} {live * 1000:.0f} ms; "
            f"{self._rules.latency_factor:g} times that is allowed"
        )

    def _p95(self, seconds: Collection[float]) -> float | None:
        return float(np.percentile(tuple(seconds), 95)) if len(seconds) >= self._rules.min_requests else None

    def _drift(self, found: Difference) -> str | None:
        rules = self._rules
        if found.distance is None or found.p is None or found.mean_absolute is None or found.n < rules.min_pairs:
            return None
        if found.mean_absolute <= rules.drift_difference:
            return None
        if found.p < rules.drift_p and found.distance > rules.drift_distance:
            return (
                f"score drift: on the same {found.n} different inputs its scores are distributed otherwise than the "
                f"live version's (Kolmogorov-Smirnov distance {found.distance:.2f}, p = {found.p:.1g}; "
                f"{rules.drift_distance:g} is allowed), and differ by {found.mean_absolute:.3f} on average; "
                f"{rules.drift_difference:g} is allowed"
            )
        if found.flipped > rules.max_flipped * found.n:
            return (
                f"score drift: on {found.flipped} of the same {found.n} different inputs it is on the other side of "
                f"its threshold than the live version; {rules.max_flipped:.0%} is allowed"
            )
        return None
