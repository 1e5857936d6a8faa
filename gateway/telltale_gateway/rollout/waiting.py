"""Waiting until every gateway has done what was ordered, or until it has turned out not to be possible."""

from __future__ import annotations

import asyncio

from telltale_contracts import Rollout, RolloutEvent

from telltale_gateway.errors import OrderFailed, OrderPending
from telltale_gateway.rollout.catalog import CatalogEntry
from telltale_gateway.rollout.fleet import Deployed
from telltale_gateway.rollout.orders import OrderAction
from telltale_gateway.rollout.presence import Presence
from telltale_gateway.rollout.reconcile import Reconciler
from telltale_gateway.rollout.usage import Usage

_LOOK_EVERY_S = 0.1


class Waiting:
    """Looks at what this gateway sees, and at what the others say of themselves."""

    def __init__(self, reconciler: Reconciler, presence: Presence, usage: Usage, at_most_s: float) -> None:
        self._reconciler = reconciler
        self._presence = presence
        self._usage = usage
        self._at_most_s = at_most_s

    async def until_done(
        self,
        name: str,
        action: OrderAction,
        version: int,
        *,
        since: int,
        ends: bool,
        written: RolloutEvent | None = None,
    ) -> None:
        """Wait for the end of an order.

        ``since`` counts the events that the detector's history had before; ``ends`` when a share was ended rather than
        begun; ``written`` is the order's own event, where it has one.

        Raises:
            OrderFailed: the version was refused, or another order took its part away.
            OrderPending: it takes longer than a request may wait.
        """
        begun = self._entry(name).reading
        try:
            async with asyncio.timeout(self._at_most_s):
                while not (self._heard(name, written) and self._done(name, action, version, ends=ends)):
                    self._raise_refusal(name, version, since)
                    # The reading on its way may have begun before the order; the next one knows it.
                    if self._entry(name).reading > begun + 1:
                        self._raise_overtaken(name, action, version, since, ends=ends)
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError as error:
            raise OrderPending(
                f"After {self._at_most_s:g} s it is not done yet; it goes on by itself.", "status shows how far it is."
            ) from error

    def _heard(self, name: str, written: RolloutEvent | None) -> bool:
        """Whether what every gateway says of itself was said after it had read the order.

        What one said before may look as if it had obeyed: where it answered with that version until a moment ago, and
        follows another order in between.
        """
        if written is None:
            return True
        events = self._entry(name).history.events
        count = next((place for place in range(len(events), 0, -1) if events[place - 1] == written), None)
        return count is not None and all(
            other.heard is None or other.heard.get(name, 0) >= count
            for other in self._presence.others
            if name in other.answers
        )

    def _done(self, name: str, action: OrderAction, version: int, *, ends: bool) -> bool:
        entry, deployed = self._entry(name), self._reconciler.fleet.detectors.get(name)
        if ends:
            return version not in self._shares(name, deployed, action)
        if action == "drain":
            taking_part = deployed is not None and version in deployed.versions
            has_it = version in entry.rollout.served() or version in self._reconciler.loaded(entry)
            return not (taking_part or has_it or version in self._used(name))
        if deployed is None or not deployed.readiness.ready:
            proof = self._reconciler.proof(entry, version)
            return action == "stage" and entry.rollout.next is None and proof is not None and proof.passed
        if action in {"canary", "shadow"}:
            return self._shares(name, deployed, action) == {version}
        if action == "stage" and version not in {entry.rollout.next, entry.rollout.live}:
            proof = self._reconciler.proof(entry, version)
            return version in entry.rollout.candidates and proof is not None and proof.passed
        everywhere = [deployed.version, *(o.answers[name] for o in self._presence.others if name in o.answers)]
        return set(everywhere) == {version}

    def _shares(self, name: str, deployed: Deployed | None, part: OrderAction) -> set[int | None]:
        """The canaries, or shadows, that the gateways have which answer for a detector; None is to have none."""
        share = None if deployed is None else deployed.canary if part == "canary" else deployed.shadow
        found = {share.version if share is not None else None}
        for other in self._presence.others:
            told = other.canaries if part == "canary" else other.shadows
            if name in other.answers and told is not None:
                found.add(told.get(name))
        return found

    def _raise_refusal(self, name: str, version: int, since: int) -> None:
        for event in self._entry(name).history.events[since:]:
            if event.version == version and event.action in {"refuse", "abort", "retire"}:
                raise OrderFailed(
                    f"{name} {version} is refused: {event.why}", "The live version is untouched; history says more."
                )

    def _raise_overtaken(self, name: str, action: OrderAction, version: int, since: int, *, ends: bool) -> None:
        """An order whose part rollout.yaml does not name any more is never done."""
        entry = self._entry(name)
        has_part = version in _with_the_part(entry.rollout, action)
        if has_part != (ends or action == "drain"):
            return
        other = next(
            (e for e in reversed(entry.history.events[since:]) if (e.action, e.version) != (action, version)), None
        )
        by = f"{other.action} {other.version} by {other.who}: {other.why}" if other else "rollout.yaml was edited"
        raise OrderFailed(
            f"{action} {name} {version} was overtaken before it was done ({by}).",
            "status shows what holds now; order it again where it is still wanted.",
        )

    def _used(self, name: str) -> frozenset[int]:
        return self._usage.versions(name) | self._presence.uses(name)

    def _entry(self, name: str) -> CatalogEntry:
        catalog = self._reconciler.catalog
        if catalog is None or name not in catalog.entries:
            raise OrderFailed(f"{name} is no longer in the repository.", "Put its folder back.")
        return catalog.entries[name]


def _with_the_part(rollout: Rollout, action: OrderAction) -> tuple[int | None, ...]:
    """The versions that have the part that an order gives, or takes away."""
    if action in {"canary", "shadow"}:
        share = rollout.canary if action == "canary" else rollout.shadow
        return (share.version,) if share is not None else ()
    if action in {"stage", "drain"}:
        return rollout.served()
    return rollout.live, rollout.next
