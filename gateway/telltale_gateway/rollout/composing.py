"""Which version of a detector answers, from what is wanted and what was proven."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from telltale_contracts import Server

from telltale_gateway.rollout.aborts import Aborts
from telltale_gateway.rollout.catalog import CatalogEntry
from telltale_gateway.rollout.fleet import Deployed, Readiness, Share
from telltale_gateway.rollout.loading import Loader
from telltale_gateway.rollout.proving import Proof, Prover
from telltale_gateway.rollout.releases import Release
from telltale_gateway.serving import Backend

_log = logging.getLogger(__name__)

_STEPS = {"loading": "it is being loaded", "warming": "it is being warmed", "golden": "its golden check runs"}


class Composer:
    """Puts together what a detector answers with; touches no server."""

    def __init__(self, prover: Prover, loaders: Mapping[Server, Loader], aborts: Aborts) -> None:
        self._prover = prover
        self._loaders = loaders
        self._aborts = aborts

    def with_a_part(self, entry: CatalogEntry, before: Deployed | None) -> list[Release]:
        """The releases to look at: those that are wanted, the one that answers, and one to fall back to."""
        wanted = (*entry.rollout.served(), *self.fallback(entry, before))
        found = {version: entry.releases[version] for version in wanted if version in entry.releases}
        if before is not None and before.release is not None:
            found.setdefault(before.version, before.release)
        return list(found.values())

    def fallback(self, entry: CatalogEntry, before: Deployed | None) -> tuple[int, ...]:
        """The previous version, where the live one cannot answer and no other does."""
        live, previous = entry.rollout.live, entry.rollout.previous
        if live is None or previous is None or (before is not None and before.version not in {live, previous}):
            return ()
        return (previous,) if self._failed(entry, live) else ()

    def compose(
        self, backend: Backend, entry: CatalogEntry, before: Deployed | None, doubts: Mapping[int, str]
    ) -> Deployed | None:
        """The version wanted if it has proven itself, else the one before if it still does, else none that is ready.

        None where nothing is to answer yet. ``doubts``: of which versions it is not known what their server has.
        """
        live = entry.rollout.live
        if live is None:
            return None
        release = entry.releases.get(live)
        if release is None and before is not None and before.version == live:
            release = before.release
        proof = self._proof(entry, release)
        if release is not None and proof is not None and proof.passed:
            if before is None or before.version != live:
                _log.info("%s %d answers", entry.manifest.name, live)
            readiness = Readiness(ready=True, reason=None, checked_at=proof.at)
            return self._with_shares(Deployed(entry.manifest, live, release, backend, readiness), entry)
        failure = f"version {live}: {doubts[live]}" if live in doubts else self._why_not(entry, live, proof)
        stand_in = self._stand_in(entry, before)
        if stand_in is None:
            return self.down(entry, before, backend, failure)
        kept = self._proof(entry, stand_in)
        if kept is not None and kept.passed:
            readiness = Readiness(ready=True, reason=None, checked_at=kept.at)
        else:
            doubt = doubts.get(stand_in.card.version)
            readiness = Readiness(ready=False, reason=doubt or _reason(kept))
        deployed = Deployed(
            entry.manifest,
            stand_in.card.version,
            stand_in,
            backend,
            readiness,
            refused=failure,
            undecided=not self._failed(entry, live),
        )
        return self._with_shares(deployed, entry)

    def down(
        self, entry: CatalogEntry, before: Deployed | None, backend: Backend | None, reason: str
    ) -> Deployed | None:
        """The detector, not ready; the version that answered stays the one that will answer again."""
        readiness, live = Readiness(ready=False, reason=reason), entry.rollout.live
        if before is not None and before.release is not None:
            return Deployed(entry.manifest, before.version, before.release, backend, readiness)
        return None if live is None else Deployed(entry.manifest, live, entry.releases.get(live), backend, readiness)

    def _stand_in(self, entry: CatalogEntry, before: Deployed | None) -> Release | None:
        """What goes on answering while the live version does not: the one that did, else the one to fall back to."""
        if before is not None and before.release is not None and before.version != entry.rollout.live:
            return before.release
        return next((entry.releases[v] for v in self.fallback(entry, before) if v in entry.releases), None)

    def _with_shares(self, deployed: Deployed, entry: CatalogEntry) -> Deployed:
        return replace(
            deployed,
            canary=self._share(deployed, entry, "canary"),
            shadow=self._share(deployed, entry, "shadow"),
        )

    def _share(self, deployed: Deployed, entry: CatalogEntry, part: Literal["canary", "shadow"]) -> Share | None:
        wanted = entry.rollout.canary if part == "canary" else entry.rollout.shadow
        if wanted is None or wanted.version == deployed.version:
            return None
        if part == "canary" and self._aborts.bars(entry, wanted.version):
            return None
        release = entry.releases.get(wanted.version)
        proof = self._proof(entry, release)
        return Share(release, wanted.percent) if release is not None and proof is not None and proof.passed else None

    def _proof(self, entry: CatalogEntry, release: Release | None) -> Proof | None:
        return None if release is None else self._prover.proof(entry.manifest, release)

    def _failed(self, entry: CatalogEntry, version: int) -> bool:
        """Whether a version is known not to work, for a reason of its own."""
        proof = self._proof(entry, entry.releases.get(version))
        return (
            version in entry.unsound
            or self._load_failure(entry, version) is not None
            or (proof is not None and proof.final)
        )

    def _load_failure(self, entry: CatalogEntry, version: int) -> str | None:
        loader = self._loaders.get(entry.manifest.server)
        return loader.failure(entry.manifest.name, version) if loader is not None else None

    def _why_not(self, entry: CatalogEntry, live: int, proof: Proof | None) -> str:
        if live in entry.unsound:
            return f"version {live} is refused: {entry.unsound[live]}"
        if proof is None and live in entry.arriving:
            return f"version {live}: {entry.arriving[live]}"
        loader = self._loaders.get(entry.manifest.server)
        if proof is None and loader is not None and live not in loader.holds(entry.manifest.name):
            held_up = loader.held_up(entry.manifest.name)
            if held_up is not None:
                return f"version {live} {held_up}"
        return self._load_failure(entry, live) or f"version {live}: {_reason(proof)}"


def _reason(proof: Proof | None) -> str:
    if proof is None:
        return "it has not been looked at yet"
    return proof.reason or _STEPS[proof.step]
