"""The canary's watch: it is taken out by itself when it errs, is slow, or scores otherwise than the live version."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from telltale_gateway.rollout.comparison import Comparison, Difference
from telltale_gateway.rollout.fleet import Deployed
from telltale_gateway.rollout.releases import Release

_KEPT = 500


@dataclass(frozen=True)
class CanaryRules:
    """When a canary is taken out.

    ``min_errors`` and ``max_error_rate``: that many errors, and that share of its requests, where the live version
    answered the same request. ``latency_factor``: its p95 over the live version's, each from at least ``min_requests``.
    ``drift_p`` and ``drift_distance``: a Kolmogorov-Smirnov test between both versions' scores of the same inputs, at
    least ``min_pairs`` of them, with a smaller p and a greater distance. The test is repeated as inputs come in, so p
    must be far below the usual 0.05; the distance keeps a difference that is sure but small from counting.
    """

    min_errors: int
    max_error_rate: float
    min_requests: int
    latency_factor: float
    min_pairs: int
    drift_p: float
    drift_distance: float


class Watches:
    """The watch of each detector's present canary."""

    def __init__(self, rules: CanaryRules) -> None:
        self._rules = rules
        self._watches: dict[str, CanaryWatch] = {}

    def of(self, deployed: Deployed) -> CanaryWatch | None:
        """The watch of a detector's canary, begun when the canary is new; None where there is no canary."""
        if deployed.canary is None or deployed.release is None:
            return None
        watch = self._watches.get(deployed.name)
        if watch is None or not watch.is_of(deployed):
            watch = self._watches[deployed.name] = CanaryWatch(deployed.release, deployed.canary.release, self._rules)
        return watch

    def breach(self, deployed: Deployed) -> str | None:
        """Why the canary of a detector must be taken out, or None."""
        watch = self.of(deployed)
        return watch.breach() if watch is not None else None


class CanaryWatch:
    """What one canary and the version beside it did, over the last requests."""

    def __init__(self, live: Release, canary: Release, rules: CanaryRules) -> None:
        self._rules = rules
        self.live = live
        self.canary = canary
        self.comparison = Comparison(live, canary)
        self.requests = 0
        self.errors = 0
        self._seconds: dict[int, deque[float]] = {
            live.card.version: deque(maxlen=_KEPT),
            canary.card.version: deque(maxlen=_KEPT),
        }

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
        self.requests += version == self.canary.card.version
        self._seconds[version].append(seconds)

    def failed(self) -> None:
        """The canary could not answer a request that the live version then answered."""
        self.requests += 1
        self.errors += 1

    def breach(self) -> str | None:
        """Why the canary must go, or None while it may stay."""
        rules = self._rules
        if self.errors >= rules.min_errors and self.errors > rules.max_error_rate * self.requests:
            return (
                f"error rate: {self.errors} of its {self.requests} requests failed, where the live version answered; "
                f"{rules.max_error_rate:.1%} is allowed"
            )
        slow = self._p95(self.canary), self._p95(self.live)
        if slow[0] is not None and slow[1] is not None and slow[0] > rules.latency_factor * slow[1]:
            return (
                f"latency: its p95 is {slow[0] * 1000:.0f} ms, the live version's {slow[1] * 1000:.0f} ms; "
                f"{rules.latency_factor:g} times that is allowed"
            )
        return self._drift(self.comparison.difference())

    def _p95(self, release: Release) -> float | None:
        seconds = self._seconds[release.card.version]
        return float(np.percentile(seconds, 95)) if len(seconds) >= self._rules.min_requests else None

    def _drift(self, difference: Difference) -> str | None:
        rules = self._rules
        if difference.distance is None or difference.p is None or difference.n < rules.min_pairs:
            return None
        if difference.p >= rules.drift_p or difference.distance <= rules.drift_distance:
            return None
        return (
            f"score drift: on the same {difference.n} inputs its scores are distributed otherwise than the live "
            f"version's (Kolmogorov-Smirnov distance {difference.distance:.2f}, p = {difference.p:.1g}); "
            f"{rules.drift_distance:g} is allowed"
        )
