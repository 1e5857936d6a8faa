"""When each version that has a part is looked at, and by whom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from telltale_gateway.rollout.catalog import CatalogEntry
from telltale_gateway.rollout.fleet import Deployed
from telltale_gateway.rollout.proving import Prover, Renew, Revive
from telltale_gateway.rollout.releases import Release
from telltale_gateway.serving import Backend

_log = logging.getLogger(__name__)


class Examiner:
    """Looks at the versions that answer at once, and at those beside them in the background, so that these hold up
    nobody."""

    def __init__(self, prover: Prover, probe_interval_s: float, news: Callable[[], None]) -> None:
        """``news`` is called when a version in the background has passed or failed."""
        self._prover = prover
        self._probe_interval_s = probe_interval_s
        self._news = news
        self._aside: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def examine(
        self,
        backend: Backend,
        entry: CatalogEntry,
        releases: Iterable[Release],
        before: Deployed | None,
        revive: Revive | None,
        *,
        renew: Callable[[int], Renew] | None = None,
    ) -> None:
        """Look at those of a detector's releases whose turn it is; the others that were known are forgotten.

        ``revive`` is for the version that ought to answer, and no other: it interrupts all of them. ``renew`` is for
        the others, and interrupts none.
        """
        there = list(releases)
        versions = frozenset(release.card.version for release in there)
        self._prover.forget_others(entry.manifest.name, versions)
        for (name, version), task in self._aside.items():
            if name == entry.manifest.name and version not in versions:
                task.cancel()
        expected = entry.rollout.live if before is None else before.version
        for release in there:
            version = release.card.version
            if not self._due(entry, release):
                continue
            anew = renew(version) if renew is not None else None
            if version == expected:
                await self._prover.examine(backend, entry.manifest, release, revive)
            elif version == entry.rollout.live:
                await self._prover.examine(backend, entry.manifest, release, None, anew)
            else:
                self._start_aside(backend, entry, release, anew)

    async def stop(self) -> None:
        """Break off what runs in the background."""
        for task in self._aside.values():
            task.cancel()
        await asyncio.gather(*self._aside.values(), return_exceptions=True)

    def _due(self, entry: CatalogEntry, release: Release) -> bool:
        proof = self._prover.proof(entry.manifest, release)
        if proof is None:
            return True
        return proof.reread or not (proof.passed or proof.final) or proof.age_s >= self._probe_interval_s

    def _start_aside(self, backend: Backend, entry: CatalogEntry, release: Release, renew: Renew | None) -> None:
        key = (entry.manifest.name, release.card.version)
        if key in self._aside:
            return

        async def examine() -> None:
            try:
                before = self._prover.proof(entry.manifest, release)
                after = await self._prover.examine(backend, entry.manifest, release, None, renew)
                if before is None or (before.passed, before.final) != (after.passed, after.final):
                    self._news()
            except Exception:
                _log.exception("examining %s %d failed", *key)
            finally:
                del self._aside[key]

        self._aside[key] = asyncio.create_task(examine())
