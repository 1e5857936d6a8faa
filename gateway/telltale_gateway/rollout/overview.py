"""What there is to see of a detector's versions: where each stands, and how two of them differ."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from telltale_gateway.errors import OrderRefused, UnknownVersion
from telltale_gateway.rollout.catalog import CatalogEntry
from telltale_gateway.rollout.comparison import Comparison, Difference, input_key
from telltale_gateway.rollout.fleet import Deployed
from telltale_gateway.rollout.mirror import Mirror, ShadowLog
from telltale_gateway.rollout.presence import Presence
from telltale_gateway.rollout.reconcile import Reconciler, Traffic
from telltale_gateway.rollout.releases import Release
from telltale_gateway.rollout.stages import VersionStatus, version_status
from telltale_gateway.rollout.staging import checked
from telltale_gateway.serving import ModelCall, infer_in_batches


class CanaryCounts(BaseModel):
    """What this gateway saw of the present canary."""

    version: int
    requests: int
    errors: int
    difference: Difference


class Diff(BaseModel):
    """How two versions differ: on both versions' golden inputs, and on requests that both have scored here.

    ``dropped`` and ``failed`` count requests that were to be compared by a shadow: there was no time, or no answer.
    """

    detector: str
    gateway: str
    golden: Difference
    traffic: Difference | None = Field(description="none where neither was the other's shadow or canary here")
    dropped: int
    failed: int


class Overview:
    """Reads what the loop, the traffic and the other gateways know."""

    def __init__(
        self,
        repository: Path,
        reconciler: Reconciler,
        traffic: Traffic,
        mirror: Mirror,
        shadows: ShadowLog,
        *,
        presence: Presence,
        timeout_s: float,
    ) -> None:
        self._repository = repository
        self._reconciler = reconciler
        self._traffic = traffic
        self._mirror = mirror
        self._shadows = shadows
        self._presence = presence
        self._timeout_s = timeout_s

    def versions(self, entry: CatalogEntry) -> list[VersionStatus]:
        """Every version of a detector, lowest first."""
        name = entry.manifest.name
        deployed = self._reconciler.fleet.detectors.get(name)
        used = self._traffic.usage.versions(name) | self._presence.uses(name)
        known = entry.on_disk | set(entry.rollout.served()) | used
        return [
            version_status(entry, version, deployed, self._reconciler.proof(entry, version), used)
            for version in sorted(known)
        ]

    def gateways(self, name: str) -> dict[str, int | None]:
        """Which version each gateway over this repository answers with; this one's first."""
        deployed = self._reconciler.fleet.detectors.get(name)
        own = deployed.version if deployed is not None and deployed.readiness.ready else None
        return {self._presence.gateway: own} | {o.gateway: o.answers.get(name) for o in self._presence.others}

    def canary(self, name: str) -> CanaryCounts | None:
        """The present canary's requests."""
        deployed = self._reconciler.fleet.detectors.get(name)
        watch = self._traffic.watches.of(deployed) if deployed is not None else None
        if watch is None:
            return None
        return CanaryCounts(
            version=watch.canary.card.version,
            requests=watch.requests,
            errors=watch.errors,
            difference=watch.comparison.difference(),
        )

    async def diff(self, entry: CatalogEntry, left: int, right: int) -> Diff:
        """How two versions differ.

        Raises:
            UnknownVersion: there is none of one of the numbers.
            OrderRefused: one of them is not sound, was refused, or is not loaded where that is needed.
            BackendError: one of them does not answer.
        """
        name = entry.manifest.name
        releases = [await self._release(entry, version) for version in (left, right)]
        golden = Comparison(*releases)
        inputs = [releases[0].golden]
        if not np.array_equal(releases[0].golden, releases[1].golden):
            inputs.append(releases[1].golden)
        for batch in inputs:
            scores = [await self._scores(entry, release, batch) for release in releases]
            for item, a, b in zip(batch, *scores, strict=True):
                golden.add(input_key(item), np.array([a]), np.array([b]))
        keys = [(name, left), (name, right)]
        return Diff(
            detector=name,
            gateway=self._presence.gateway,
            golden=golden.difference(),
            traffic=self._on_traffic(name, left, right),
            dropped=sum(self._mirror.dropped[key] for key in keys),
            failed=sum(self._mirror.failed[key] for key in keys),
        )

    def _on_traffic(self, name: str, left: int, right: int) -> Difference | None:
        canary = self.canary(name)
        found = [comparison.difference() for comparison in self._shadows.of(name)]
        if canary is not None:
            found.append(canary.difference)
        of_both = [difference for difference in found if {difference.left, difference.right} == {left, right}]
        return max(of_both, key=lambda difference: difference.n, default=None)

    async def _release(self, entry: CatalogEntry, version: int) -> Release:
        known = entry.releases.get(version)
        if known is not None:
            return known
        folder = self._repository / entry.manifest.name / str(version)
        # Not asked of the catalog alone: it may have been put there a moment ago.
        if version not in entry.on_disk and not folder.is_dir():
            there = ", ".join(map(str, sorted(entry.on_disk))) or "none"
            raise UnknownVersion(f"{entry.manifest.name} has no version {version}.", f"There are: {there}.")
        return await asyncio.to_thread(checked, folder, entry.manifest, version, entry.history)

    async def _scores(self, entry: CatalogEntry, release: Release, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
        """A version's scores: from its server where it is loaded; else, of its own golden inputs, from its card."""
        name, version = entry.manifest.name, release.card.version
        proof = self._reconciler.proof(entry, version)
        deployed: Deployed | None = self._reconciler.fleet.detectors.get(name)
        if proof is not None and proof.passed and deployed is not None and deployed.backend is not None:
            call = ModelCall(name, version, entry.manifest.tensors, self._timeout_s)
            return await infer_in_batches(deployed.backend, call, inputs, entry.manifest.max_batch)
        last = entry.history.last(version)
        if last is not None and last.action == "refuse":
            raise OrderRefused(
                f"{name} {version} was refused, so there are no scores of it to compare: {last.why}",
                "Compare versions that have passed their checks.",
            )
        if not np.array_equal(inputs, release.golden):
            raise OrderRefused(
                f"{name} {version} is not loaded, and the other's golden inputs are not its own.",
                f"Load it beside the live version: shadow {version} --percent 1.",
            )
        return np.asarray(release.card.golden.scores, dtype=np.float32)
