"""What the gateway that holds the lease decides by itself: new versions are taken in, bad ones refused, and those that
are to go live by themselves do once they have passed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from telltale_contracts import Rollout, RolloutEvent

from telltale_gateway.rollout.catalog import CatalogEntry
from telltale_gateway.rollout.proving import Prover
from telltale_gateway.rollout.releases import Release
from telltale_gateway.rollout.store import RolloutStore, event, follows, made_live, revised, without

_log = logging.getLogger(__name__)

WHO = "telltale_gateway"

# What can make a version the next to go live; of these only stage is no command that holds while pinned.
_CHOOSING = frozenset({"stage", "promote", "rollback", "pin"})

LoadFailure = Callable[[str, int], str | None]


class OutOfDate(Exception):
    """The state was changed meanwhile, and what was to be done no longer applies."""


class Steward:
    """Writes what follows from the checks into the desired state."""

    def __init__(self, store: RolloutStore, prover: Prover) -> None:
        self._store = store
        self._prover = prover
        self._noted: set[tuple[str, RolloutEvent]] = set()

    async def tend(self, entry: CatalogEntry, load_failure: LoadFailure) -> bool:
        """Do what is due for one detector; whether anything was."""
        changed = False
        for edit, done in [
            *self._first_lines(entry),
            *self._gone(entry),
            *self._refusals(entry, load_failure),
            *self._arrivals(entry),
            *self._promotion(entry),
        ]:
            changed |= await self._do(entry.manifest.name, edit, done)
        return changed

    async def abort(self, name: str, canary: Release, why: str) -> bool:
        """Write down that a canary is taken out; False where it is canary no more.

        Raises:
            OSError, ValueError, yaml.YAMLError: it cannot be written down.
        """
        version = canary.card.version

        def edit(rollout: Rollout) -> Rollout:
            if rollout.canary is None or rollout.canary.version != version:
                raise OutOfDate
            return without(rollout, version)

        return await self._written(name, edit, event("abort", version, who=WHO, why=why, release=canary))

    async def _do(self, name: str, edit: Callable[[Rollout], Rollout], done: RolloutEvent) -> bool:
        """Whether it was done, rather than out of date or impossible to write down."""
        try:
            return await self._written(name, edit, done)
        except OSError as error:
            _log.warning("%s cannot be written down for %s: %s", done.action, name, error)
            return False

    async def _written(self, name: str, edit: Callable[[Rollout], Rollout], done: RolloutEvent) -> bool:
        """Whether it was done, rather than out of date."""
        try:
            await asyncio.to_thread(self._store.change, name, edit, done)
        except OutOfDate:
            return False
        _log.info("%s: %s %s: %s", name, done.action, done.version, done.why)
        return True

    def _once(self, entry: CatalogEntry, done: RolloutEvent) -> Callable[[Rollout], Rollout]:
        """An edit that changes nothing, so that a line of history is written; not a second time for the same thing.

        What was read of the history may be older than what this gateway has written meanwhile.
        """
        key = (entry.manifest.name, done.model_copy(update={"at": datetime.min}))  # noqa: DTZ901 the same for all

        def edit(rollout: Rollout) -> Rollout:
            if key in self._noted:
                raise OutOfDate
            self._noted.add(key)
            return rollout

        return edit

    def _first_lines(self, entry: CatalogEntry) -> list[tuple[Callable[[Rollout], Rollout], RolloutEvent]]:
        """A version that somebody made live by hand becomes known, with its bytes."""
        live = entry.rollout.live
        release = entry.releases.get(live) if live is not None else None
        if release is None or entry.history.last(release.card.version) is not None:
            return []
        why = "rollout.yaml was written by hand"
        done = event("promote", live, who="rollout.yaml", why=why, release=release)
        return [(self._once(entry, done), done)]

    def _arrivals(self, entry: CatalogEntry) -> list[tuple[Callable[[Rollout], Rollout], RolloutEvent]]:
        rollout, name = entry.rollout, entry.manifest.name
        found: list[tuple[Callable[[Rollout], Rollout], RolloutEvent]] = []
        for version, release in sorted(entry.releases.items()):
            last = entry.history.last(version)
            known = last is not None and not (last.action == "refuse" and last.sha256 is None)
            older = rollout.live is not None and version <= rollout.live
            if known or older or version in rollout.served():
                continue
            by_itself = follows(entry.manifest, rollout)

            def edit(now: Rollout, version: int = version, by_itself: bool = by_itself) -> Rollout:
                if version in now.served() or follows(entry.manifest, now) != by_itself:
                    raise OutOfDate
                following = max(version, now.next or 0) if by_itself else now.next
                return revised(now, candidates=(*now.candidates, version), next=following)

            then = "it goes live once it has passed" if by_itself else "it is held as candidate once it has passed"
            why = f"its folder is complete; by the policy of {name}, {then}"
            found.append((edit, event("stage", version, who=WHO, why=why, release=release)))
        return found

    def _gone(self, entry: CatalogEntry) -> list[tuple[Callable[[Rollout], Rollout], RolloutEvent]]:
        return [
            (_taking_out(version), event("retire", version, who=WHO, why="its folder is gone"))
            for version in _beside(entry)
            if version not in entry.on_disk
        ]

    def _refusals(
        self, entry: CatalogEntry, load_failure: LoadFailure
    ) -> list[tuple[Callable[[Rollout], Rollout], RolloutEvent]]:
        found: list[tuple[Callable[[Rollout], Rollout], RolloutEvent]] = []
        for version, why in sorted(entry.unsound.items()):
            if version == entry.rollout.live or version not in entry.on_disk:
                continue
            last = entry.history.last(version)
            if last is None or last.action != "refuse" or last.why != why or version in entry.rollout.served():
                done = event("refuse", version, who=WHO, why=why)
                edit = _taking_out(version) if version in entry.rollout.served() else self._once(entry, done)
                found.append((edit, done))
        for version in _beside(entry):
            release = entry.releases.get(version)
            reason = self._failure(entry, version, load_failure) if release is not None else None
            if release is not None and reason is not None:
                done = event("refuse", version, who=WHO, why=reason, release=release)
                found.append((_taking_out(version), done))
        return found

    def _failure(self, entry: CatalogEntry, version: int, load_failure: LoadFailure) -> str | None:
        failed = load_failure(entry.manifest.name, version)
        if failed is not None:
            return failed
        proof = self._prover.proof(entry.manifest, entry.releases[version])
        return proof.reason if proof is not None and proof.final else None

    def _promotion(self, entry: CatalogEntry) -> list[tuple[Callable[[Rollout], Rollout], RolloutEvent]]:
        version = entry.rollout.next
        release = entry.releases.get(version) if version is not None else None
        if version is None or release is None:
            return []
        proof = self._prover.proof(entry.manifest, release)
        if proof is None or not proof.passed:
            return []

        last = entry.history.last(version)
        back = last is not None and last.action == "rollback"
        chosen = [e.action for e in entry.history.events if e.version == version and e.action in _CHOOSING]
        by_command = chosen[-1:] not in ([], ["stage"])

        def edit(now: Rollout) -> Rollout:
            if now.next != version or (now.pinned and not by_command):
                raise OutOfDate
            after = made_live(now, version)
            # Nobody wants to come back to what was just taken back.
            return revised(after, previous=None) if back else after

        why = "it passed its checks, as the rollback asks" if back else "it passed its checks and was to go live then"
        return [(edit, event("promote", version, who=WHO, why=why, release=release))]


def _beside(entry: CatalogEntry) -> list[int]:
    """The versions that have a part beside the live one."""
    return [version for version in entry.rollout.served() if version != entry.rollout.live]


def _taking_out(version: int) -> Callable[[Rollout], Rollout]:
    def edit(rollout: Rollout) -> Rollout:
        if version == rollout.live or version not in rollout.served():
            raise OutOfDate
        return without(rollout, version)

    return edit
