"""What an operator does with versions: the same for everyone who asks, whichever way the order came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from telltale_contracts import Action, Rollout, RolloutEvent, TrafficShare

from telltale_gateway.errors import BadOrder, OrderRefused, TelltaleError
from telltale_gateway.rollout.catalog import CatalogEntry, MissingRollout
from telltale_gateway.rollout.orders import Order, OrderAction, Receipt
from telltale_gateway.rollout.reconcile import Reconciler
from telltale_gateway.rollout.releases import Release, sentence
from telltale_gateway.rollout.staging import card_of, checked, copied, find_staged, remove_left_over
from telltale_gateway.rollout.store import RolloutStore, event, follows, made_live, revised, without
from telltale_gateway.rollout.waiting import Waiting

_NOT_SAID = "no reason was given"

# What is so once an order that was waited for is done.
_LIVE = "Every gateway answers so now."
_SHARE = "It is loaded, has passed its checks, and gets its share of every gateway from now on."
_AT_THE_END: dict[OrderAction, str] = {
    "stage": "It is loaded beside the live version, and has passed its checks.",
    "shadow": _SHARE,
    "canary": _SHARE,
    "promote": _LIVE,
    "rollback": _LIVE,
    "pin": _LIVE,
    "drain": "No request uses it any more, and no server has it.",
}


class _ChangedMeanwhile(Exception):
    """The state is no longer the one that an order was decided on."""


@dataclass(frozen=True)
class _Plan:
    """A change of the desired state, its line of history, and what to say of it."""

    edit: Callable[[Rollout], Rollout]
    action: Action
    version: int | None
    done: str
    next: str
    release: Release | None = None
    percent: float | None = None


class Operations:
    """Carries orders out: each is checked, written into the desired state, and followed by every gateway."""

    def __init__(
        self,
        repository: Path,
        store: RolloutStore,
        reconciler: Reconciler,
        waiting: Waiting,
        *,
        staging_root: Path | None,
    ) -> None:
        self._repository = repository
        self._store = store
        self._reconciler = reconciler
        self._waiting = waiting
        self._staging_root = staging_root

    def remove_left_over(self) -> None:
        """Remove what gateways that were killed over an order left in the repository. It blocks, while it deletes."""
        for place in {path.parent for path in self._repository.glob("*/.*-staging-*")}:
            remove_left_over(place)

    async def perform(self, entry: CatalogEntry, order: Order, source: str) -> Receipt:
        """Do one thing with a detector's versions; ``source`` says whence the order came, for the history.

        Raises:
            BadOrder: something is missing in it.
            OrderRefused: it cannot be carried out as things stand; nothing was changed.
            OrderFailed: it was waited for, and turned out not to be possible.
            OrderPending: it was waited for, and is still going on.
        """
        who = f"{order.who} ({source})" if order.who else source
        plan, written = await self._carried_out(entry, order, who)
        self._reconciler.nudge()
        if order.wait and plan.version is not None:
            name, since = entry.manifest.name, len(entry.history.events)
            ends = order.percent == 0.0
            await self._waiting.until_done(name, order.action, plan.version, since=since, ends=ends, written=written)
            return _receipt(
                entry, order, plan, "It has no share any more." if order.percent == 0.0 else _AT_THE_END[order.action]
            )
        return _receipt(entry, order, plan, plan.next)

    async def _carried_out(self, entry: CatalogEntry, order: Order, who: str) -> tuple[_Plan, RolloutEvent | None]:
        """Decide on what lies on disk, and again where somebody has changed that before it was written.

        The event is the one that was written here; what is staged is written where it is taken in.
        """
        while True:
            rollout = await asyncio.to_thread(self._state, entry)
            now = replace(entry, rollout=rollout)
            plan: _Plan = await getattr(self, f"_{order.action}")(now, order, who)
            if plan.action == "stage":
                return plan, None
            try:
                return plan, await self._write(now, plan, order, who)
            except _ChangedMeanwhile:
                continue

    def _state(self, entry: CatalogEntry) -> Rollout:
        try:
            return self._store.read(entry.manifest.name, entry.rollout)
        except MissingRollout as error:
            raise _missing(error) from error
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise OrderRefused(
                f"The desired state cannot be read: {sentence(error)}", "Mend the model repository."
            ) from error

    async def _write(self, entry: CatalogEntry, plan: _Plan, order: Order, who: str) -> RolloutEvent:
        def edit(now: Rollout) -> Rollout:
            if now != entry.rollout:
                raise _ChangedMeanwhile
            return plan.edit(now)

        done = event(
            plan.action,
            plan.version,
            who=who,
            why=order.why or _NOT_SAID,
            percent=plan.percent,
            release=plan.release,
        )
        await self._change(entry, edit, done)
        return done

    async def _change(self, entry: CatalogEntry, edit: Callable[[Rollout], Rollout], done: RolloutEvent) -> None:
        try:
            await asyncio.to_thread(self._store.change, entry.manifest.name, edit, done)
        except TelltaleError:
            raise
        except MissingRollout as error:
            raise _missing(error) from error
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise OrderRefused(f"The desired state cannot be changed: {error}", "Mend the model repository.") from error

    async def _stage(self, entry: CatalogEntry, order: Order, who: str) -> _Plan:
        name = entry.manifest.name
        if order.path is None:
            raise BadOrder("stage needs the path of a version's folder.", "Name a folder below the staging root.")
        folder = await asyncio.to_thread(find_staged, order.path, self._staging_root)
        card = await asyncio.to_thread(card_of, folder)
        if card.detector != name:
            raise OrderRefused(f"Its card describes {card.detector} {card.version}.", f"Stage it for {card.detector}.")
        home = self._repository / name

        def take_in() -> Rollout:
            with copied(folder, home, entry.manifest, card.version, entry.history) as (copy, release):

                def edit(now: Rollout) -> Rollout:
                    copy.rename(home / str(card.version))
                    after = revised(now, candidates=(*(v for v in now.candidates if v != card.version), card.version))
                    # Copying takes long: what was ordered meanwhile holds.
                    return revised(after, next=card.version) if follows(entry.manifest, now) else after

                why = order.why or _NOT_SAID
                done = event("stage", card.version, who=who, why=why, release=release)
                try:
                    return self._store.change(name, edit, done)
                except BaseException:
                    # Not written down, it is not taken in: back to where it is removed.
                    if not copy.exists():
                        (home / str(card.version)).rename(copy)
                    raise

        try:
            after = await asyncio.to_thread(take_in)
        except TelltaleError:
            raise
        except MissingRollout as error:
            raise _missing(error) from error
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise OrderRefused(f"It cannot be taken in: {error}", "Mend the model repository.") from error
        then = "goes live by itself" if after.next == card.version else "is held as candidate, which gets no traffic"
        return _Plan(
            edit=lambda now: now,
            action="stage",
            version=card.version,
            done=f"{name} {card.version} is in the repository: every byte is the one that its card describes.",
            next=f"It is loaded beside the live version, warmed and golden-checked; then it {then}.",
        )

    async def _promote(self, entry: CatalogEntry, order: Order, _: str) -> _Plan:
        return await self._to_live(entry, order, pinned=False)

    async def _pin(self, entry: CatalogEntry, order: Order, _: str) -> _Plan:
        version = _needed(order)
        if version == entry.rollout.live:
            return _Plan(
                edit=lambda now: revised(now, pinned=True, next=None),
                action="pin",
                version=version,
                done=f"{entry.manifest.name} {version} is live and pinned.",
                next="No version goes live by itself, until the next promote or rollback.",
            )
        return await self._to_live(entry, order, pinned=True)

    async def _to_live(self, entry: CatalogEntry, order: Order, *, pinned: bool) -> _Plan:
        name, version, live = entry.manifest.name, _needed(order), entry.rollout.live
        if version == live:
            raise OrderRefused(f"{name} {version} is live already.", "Nothing is to be done.")
        release = await self._sound(entry, version)
        proof = self._reconciler.proof(entry, version)
        if proof is not None and proof.passed and version in entry.rollout.served():
            gone = f"{live} is drained, and unloaded once no request uses it." if live else "It is the first to answer."
            return _Plan(
                edit=lambda now: revised(made_live(now, version), next=None, pinned=pinned),
                action="pin" if pinned else "promote",
                version=version,
                done=f"{name} {version} is live{' and pinned' if pinned else ''}; it had passed its checks.",
                next=f"Every gateway switches to it within 2 s; {gone}",
                release=release,
            )
        return _Plan(
            edit=lambda now: revised(_as_candidate(now, version), next=version, pinned=pinned),
            action="pin" if pinned else "promote",
            version=version,
            done=f"{name} {version} is to go live.",
            next=f"It is loaded beside {live or 'nothing'}, warmed and golden-checked; it goes live once it has "
            "passed, and not otherwise.",
            release=release,
        )

    async def _rollback(self, entry: CatalogEntry, order: Order, _: str) -> _Plan:
        name, rollout = entry.manifest.name, entry.rollout
        coming = rollout.canary.version if rollout.canary is not None else rollout.next
        if coming is not None:
            if order.version not in {None, rollout.live}:
                raise OrderRefused(
                    f"{name} {coming} is {'canary' if rollout.canary is not None else 'to go live'}: a rollback takes "
                    f"{coming} back, and {rollout.live} answers everything.",
                    f"Roll back without a version, or promote {order.version}.",
                )
            return _Plan(
                edit=lambda now: without(now, coming),
                action="rollback",
                version=rollout.live,
                done=f"{name} {coming} is taken back; {rollout.live} answers everything.",
                next=f"{coming} is drained, and unloaded once no request uses it.",
            )
        back = order.version or rollout.previous
        if back is None:
            raise OrderRefused(f"{name} has no version to go back to.", "promote V makes any version live.")
        plan = await self._to_live(entry, order.model_copy(update={"version": back}), pinned=False)

        def edit(now: Rollout) -> Rollout:
            after = plan.edit(now)
            return revised(after, previous=None) if after.live == back else after

        return _Plan(edit, "rollback", back, plan.done, plan.next, plan.release)

    async def _drain(self, entry: CatalogEntry, order: Order, _: str) -> _Plan:
        name, version = entry.manifest.name, _needed(order)
        if version == entry.rollout.live:
            raise OrderRefused(f"{name} {version} is live.", "promote another version, or rollback, before.")
        if version not in entry.rollout.served():
            raise OrderRefused(f"{name} {version} has no part, so there is nothing to drain.", "status shows who has.")
        return _Plan(
            edit=lambda now: without(now, version),
            action="drain",
            version=version,
            done=f"{name} {version} gets no traffic any more.",
            next="It is unloaded once no request uses it, and stays in the repository.",
        )

    async def _shadow(self, entry: CatalogEntry, order: Order, _: str) -> _Plan:
        plan = await self._share(entry, order, "shadow")
        if entry.rollout.canary is not None and entry.rollout.canary.version == plan.version:
            raise OrderRefused(f"{entry.manifest.name} {plan.version} is the canary.", "drain it before.")
        return plan

    async def _canary(self, entry: CatalogEntry, order: Order, _: str) -> _Plan:
        return await self._share(entry, order, "canary")

    async def _share(self, entry: CatalogEntry, order: Order, part: Action) -> _Plan:
        name, version, percent = entry.manifest.name, _needed(order), order.percent
        if percent is None:
            raise BadOrder(f"{part} needs a percentage.", "0 ends it.")
        if version == entry.rollout.live or entry.rollout.live is None:
            raise OrderRefused(f"{name} {version} cannot stand beside the live version.", "Name another version.")
        if percent == 0.0:
            return _Plan(
                edit=lambda now: revised(_as_candidate(now, version), **{part: None}),
                action=part,
                version=version,
                done=f"{name} {version} is {part} no longer.",
                next="It stays loaded as candidate; drain unloads it.",
                percent=percent,
            )
        release = await self._sound(entry, version)
        share = TrafficShare(version=version, percent=percent)
        means = (
            "answers of the live version are compared with its own, which nobody sees"
            if part == "shadow"
            else "requests are answered by it; it is taken out by itself on errors, latency or score drift"
        )
        proof = self._reconciler.proof(entry, version)
        passed = proof is not None and proof.passed and version in entry.rollout.served()

        def edit(now: Rollout) -> Rollout:
            changes: dict[str, object] = {part: share}
            if part == "canary" and now.shadow is not None and now.shadow.version == version:
                changes["shadow"] = None
            return revised(_as_candidate(now, version), **changes)

        return _Plan(
            edit=edit,
            action=part,
            version=version,
            done=f"{name} {version} is {part} for {percent:g} % of the requests.",
            next=f"{'At once' if passed else 'Once it is loaded and has passed its checks'}, {percent:g} % of {means}.",
            release=release,
            percent=percent,
        )

    async def _sound(self, entry: CatalogEntry, version: int) -> Release:
        """A version that may be given a part."""
        known = entry.releases.get(version)
        if known is not None:
            return known
        folder = self._repository / entry.manifest.name / str(version)
        # Not asked of the catalog: an operator may have put it there a moment ago.
        if not folder.is_dir():
            there = ", ".join(map(str, sorted(entry.on_disk))) or "none"
            raise OrderRefused(f"{entry.manifest.name} has no version {version}.", f"There are: {there}.")
        return await asyncio.to_thread(checked, folder, entry.manifest, version, entry.history)


def _needed(order: Order) -> int:
    if order.version is None:
        raise BadOrder(f"{order.action} needs a version.", "Give the version's number.")
    return order.version


def _missing(error: MissingRollout) -> OrderRefused:
    return OrderRefused(
        f"The desired state is lost: {error}.", "Put it back, or write one that says which version is to answer."
    )


def _as_candidate(rollout: Rollout, version: int) -> Rollout:
    return revised(rollout, candidates=(*(v for v in rollout.candidates if v != version), version))


def _receipt(entry: CatalogEntry, order: Order, plan: _Plan, following: str) -> Receipt:
    return Receipt(
        detector=entry.manifest.name, action=order.action, version=plan.version, done=plan.done, next=following
    )
