"""What each server is to have loaded, and telling it: the part of the gateway that holds the lease.

A server loads all versions of a model that it is told of, or none. So that a bad one is found out and keeps out nobody,
versions that a server has not accepted before are added one at a time.

What a server reads is read after its bytes were compared with its card. So its files are held against what they were
then once more when the load has ended; where they were touched meanwhile nobody knows what the server has, and the
version is taken out, to be loaded again when its files are as they should be.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from telltale_gateway.rollout.catalog import CatalogEntry
from telltale_gateway.rollout.inspection import RETURN_S
from telltale_gateway.rollout.releases import Seal
from telltale_gateway.serving import (
    Backend,
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
    Served,
    Versions,
    Wanted,
)

_log = logging.getLogger(__name__)

# How long a version that its server could not load is left out before it is tried again.
_TRY_AGAIN_S = 30.0

_Key = tuple[str, int]


@dataclass(frozen=True)
class _LeftOut:
    """Until when a version is not tried again, and why; ``its_own``: for a reason of the version's own."""

    until: float
    why: str
    its_own: bool


@dataclass(frozen=True)
class _Told:
    wanted: Mapping[str, Wanted]
    added: Mapping[str, int]


@dataclass(frozen=True)
class Need:
    """One detector's versions in the order in which they matter, and which of them other clients find by a label.

    ``changed`` says of versions that the server has, or is to have, how their files differ from those that were read,
    ``seals`` of the others what to hold their files against once they are loaded. Of a detector whose folder is
    ``gone`` the server keeps all that it has while any of it may be needed, as it could read none of it again.
    """

    versions: Sequence[int]
    labels: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[int, str] = field(default_factory=dict)
    seals: Mapping[int, Seal] = field(default_factory=dict)
    gone: bool = False


class Loader:
    """Brings one server to what is needed of it."""

    def __init__(
        self, backend: Backend, linger_s: float, was_read: Callable[[str, int], None] = lambda *_: None
    ) -> None:
        """``linger_s``: how long a version stays after the last gateway stopped using it. ``was_read`` is told of each
        version that the server has, or may have, read from disk."""
        self._backend = backend
        self._linger_s = linger_s
        self._was_read = was_read
        self._task: asyncio.Task[Served] | None = None
        self._told = _Told({}, {})
        self._accepted: dict[str, Versions] = {}
        self._known = False
        self._needed_at: dict[_Key, float] = {}
        self._unloadable: dict[_Key, _LeftOut] = {}
        self._unsure: dict[_Key, Seal] = {}
        self._doubted: dict[_Key, str] = {}
        self._held_up: dict[str, str] = {}
        self._alone = False

    def failure(self, detector: str, version: int) -> str | None:
        """Why the server could not load a version, when it last tried, or not in time."""
        left_out = self._unloadable.get((detector, version))
        return left_out.why if left_out is not None else None

    def refusal(self, detector: str, version: int) -> str | None:
        """The same, less what says nothing of the version: that it took too long."""
        left_out = self._unloadable.get((detector, version))
        return left_out.why if left_out is not None and left_out.its_own else None

    def doubts(self, detector: str) -> dict[int, str]:
        """The versions that the server has read from files that were not, all the while, those of the card, and how."""
        return {version: why for (name, version), why in self._doubted.items() if name == detector}

    def held_up(self, detector: str) -> str | None:
        """Why the server is told nothing new about a detector for now."""
        return self._held_up.get(detector)

    def holds(self, detector: str) -> Versions:
        """The versions of a detector that the server has accepted."""
        return self._accepted.get(detector, frozenset())

    def stands(self, detector: str) -> Versions:
        """The versions that the server has accepted and was not told since to do without.

        One whose unloading is on its way still answers for a moment, which proves nothing of what comes after it.
        """
        return self.holds(detector) & self._versions_told(detector)

    @property
    def informed(self) -> bool:
        """Whether it is known what the server has: not before the first call, nor after one that came to nothing."""
        return self._known

    def models(self) -> frozenset[str]:
        """The detectors of which the server has accepted a version."""
        return frozenset(self._accepted)

    async def load(self, needs: Mapping[str, Need], patience_s: float) -> None:
        """Tell the server, and wait a little; what it still loads is not waited for.

        Raises:
            BackendUnavailable: it cannot be reached.
            BackendTimeout: it does not answer in time; they are asked for again.
            BackendBusy: it has no room now; they are asked for again.
        """
        if self._task is None:
            if not self._known:
                self._accepted = await self._already_there(needs)
                self._known = True
            await self._forget_lost(needs)
            self._told = self._next_step(needs)
            self._task = asyncio.create_task(self._step(self._told, needs))
        await asyncio.wait({self._task}, timeout=patience_s)
        if not self._task.done():
            return
        task, self._task = self._task, None
        try:
            served = task.result()
        except (BackendUnavailable, BackendTimeout, BackendBusy):
            self._known = False
            raise
        except BackendError as error:
            _log.warning("%s: %s", self._backend.server, error)
            served = Served(dict.fromkeys(self._told.added or self._told.wanted, str(error)))
        except Exception as error:
            # A fault of our own: no server said anything. What was added alone is to blame; else it is found out.
            _log.exception("telling %s failed", self._backend.server)
            self._alone = True
            if len(self._told.added) != 1:
                return
            why = f"it could not be asked for: {type(error).__name__}: {error}"
            served = Served(dict.fromkeys(self._told.added, why))
        else:
            self._alone = self._alone and bool(self._told.added)
        self._take_in(served)

    def complete(self, needs: Mapping[str, Need]) -> bool:
        """Whether the server has accepted all that is needed, or refused it."""
        return all(
            version in self.holds(name) or (name, version) in self._unloadable or name in self._held_up
            for name, need in needs.items()
            for version in need.versions
        )

    async def idle(self) -> None:
        """Wait until the server has done what it was told; a model is not loaded afresh while it is being loaded."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def stop(self) -> None:
        """Let go of a call on its way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def renew(self, detector: str, version: int, why: str) -> None:
        """Have a version taken out and loaded again, the others going on; ``why`` is what is said of it meanwhile."""
        _log.warning("%s: %s %d: %s", self._backend.server, detector, version, why)
        self._doubted[detector, version] = why
        if detector in self._accepted:
            self._accepted[detector] = self.holds(detector) - {version}

    async def revive(self, member: Backend, detector: str, need: Need) -> None:
        """Have one server read anew what it says is loaded, and does not answer. For when it is idle.

        Raises:
            BackendError: it could not be done, or nobody knows what was read.
        """
        # What was changed on disk would come back as something else.
        sound = self.holds(detector) - need.changed.keys()
        if not sound:
            return
        seals = {(detector, version): seal for version, seal in need.seals.items() if version in sound}
        await member.revive(detector, sound)
        await self._verify({(detector, version) for version in sound}, seals)
        doubts = self.doubts(detector)
        self._accepted[detector] = self.holds(detector) - doubts.keys()
        for version, why in doubts.items():
            raise BackendRefused(f"version {version}: {why}")

    async def _step(self, told: _Told, needs: Mapping[str, Need]) -> Served:
        """Tell the server, and hold what it read against what was checked."""
        # What a call that came to nothing had begun, the server may have read since.
        unsure = self._unsure
        seals = {
            (name, version): needs[name].seals[version]
            for name, wanted in told.wanted.items()
            for version in wanted.versions
            if name in needs and version in needs[name].seals
        } | unsure
        self._unsure = seals
        served = await self._backend.serve(told.wanted)
        self._unsure = {key: seal for key, seal in seals.items() if key[0] in served.late}
        read = {(name, version) for name, versions in served.read.items() for version in versions}
        failed = {(name, told.added[name]) for name in served.failures if name in told.added}
        await self._verify(read | unsure.keys() | failed, seals)
        return served

    async def _verify(self, read: set[_Key], seals: Mapping[_Key, Seal]) -> None:
        for name, version in sorted(read):
            self._was_read(name, version)
        for key in sorted(read & seals.keys()):
            broken = await asyncio.to_thread(seals[key].broken)
            if broken is not None:
                self._doubted[key] = (
                    f"nobody knows what its server has read: {broken} while it was loaded. It is taken out, and loaded "
                    "again once its files are those of its card"
                )
                _log.warning("%s: %s %d: %s", self._backend.server, *key, self._doubted[key])

    async def _already_there(self, needs: Mapping[str, Need]) -> dict[str, Versions]:
        """What is needed and loaded before this gateway says anything: another one may have acted until now."""
        found: dict[str, set[int]] = {}
        for member in self._backend.members():
            for name, need in needs.items():
                try:
                    there = {v for v in need.versions if v not in self.doubts(name) and await member.ready(name, v)}
                except BackendError:
                    continue
                found.setdefault(name, set()).update(there)
        return {name: frozenset(versions) for name, versions in found.items() if versions}

    async def _forget_lost(self, needs: Mapping[str, Need]) -> None:
        """A version whose files have changed and that no server has any more cannot come back as it was."""
        for name, need in needs.items():
            for version in self.holds(name) & need.changed.keys():
                try:
                    there = [await member.ready(name, version) for member in self._backend.members()]
                except BackendError:
                    continue
                if not any(there):
                    self._accepted[name] = self._accepted[name] - {version}

    def _next_step(self, needs: Mapping[str, Need]) -> _Told:
        now = time.monotonic()
        asked = {(name, version) for name, need in needs.items() for version in need.versions}
        self._unloadable = {key: state for key, state in self._unloadable.items() if state.until > now and key in asked}
        for name, need in needs.items():
            self._needed_at.update({(name, version): now for version in need.versions})
        wanted: dict[str, Wanted] = {}
        added: dict[str, int] = {}
        held_up: dict[str, str] = {}
        for name in sorted(needs.keys() | self._accepted.keys()):
            need = needs.get(name, Need(()))
            accepted = self.holds(name)
            linger_s = max(self._linger_s, RETURN_S) if need.gone else self._linger_s
            kept = {v for v in accepted if v in need.versions or now - self._needed(name, v) < linger_s}
            if need.gone and kept:
                kept = set(accepted)
            left_out = need.changed.keys() | {v for n, v in (*self._unloadable, *self._doubted) if n == name}
            fresh = [v for v in need.versions if v not in accepted and v not in left_out]
            changed = {version: need.changed[version] for version in sorted(kept & need.changed.keys())}
            if changed and self._backend.loads_together and (fresh or kept != accepted):
                # Any load would read these anew and answer from other files under the old digest.
                held_up[name] = why_held_up(changed)
                kept = set(accepted)
            elif fresh and not (self._alone and added):
                added[name] = fresh[0]
                kept.add(fresh[0])
            if kept:
                labels = {label: version for label, version in need.labels.items() if version in kept}
                wanted[name] = Wanted(frozenset(kept), labels, frozenset(kept & need.changed.keys()))
        for name, why in held_up.items():
            if self._held_up.get(name) != why:
                _log.warning("%s: %s %s", self._backend.server, name, why)
        self._held_up = held_up
        return _Told(wanted, added)

    def _versions_told(self, name: str) -> Versions:
        told = self._told.wanted.get(name)
        return told.versions if told is not None else frozenset()

    def _needed(self, name: str, version: int) -> float:
        return self._needed_at.get((name, version), float("-inf"))

    def _take_in(self, served: Served) -> None:
        failures = served.failures
        until = time.monotonic() + _TRY_AGAIN_S
        accepted: dict[str, Versions] = {}
        # What is not on the server any more may be loaded again.
        self._doubted = {
            (name, version): why
            for (name, version), why in self._doubted.items()
            if name in failures or name in served.late or name in self._held_up or version in self._versions_told(name)
        }
        for name, wanted in self._told.wanted.items():
            new = self._told.added.get(name)
            if name in served.late and name not in failures:
                # What it had goes on serving; what is new is left out, so that it does not hold up the others again.
                if new is not None:
                    self._unloadable[name, new] = _LeftOut(until, served.late[name], its_own=False)
                accepted[name] = wanted.versions - self.doubts(name).keys() - {new}
            elif name not in failures:
                accepted[name] = wanted.versions - self.doubts(name).keys()
            elif new is not None:
                # Those that it had before go on serving; without the new one they are told again.
                if (name, new) not in self._doubted:
                    self._unloadable[name, new] = _LeftOut(until, failures[name], its_own=True)
                accepted[name] = wanted.versions - self.doubts(name).keys() - {new}
            # Nothing new was asked and it failed all the same: one at a time again, to find out which.
        self._accepted = accepted


def why_held_up(changed: Mapping[int, str]) -> str:
    """Why nothing is loaded beside versions whose files are no longer those that were loaded."""
    named = "; ".join(f"version {version}: {why}" for version, why in changed.items())
    return (
        "waits: the server would read anew what it answers with, and the files there are not those that were loaded "
        f"({named}). Put these files back, or promote a version that is loaded already"
    )


def need_of(
    entry: CatalogEntry,
    answering: int | None,
    used: Versions,
    held: Versions,
    fallback: Sequence[int],
    *,
    canary: int | None,
) -> Need:
    """What a server must have of a detector, the most important first.

    ``answering`` is the version that answers now, ``used`` are those that requests of any gateway still use, ``held``
    those that the server has: what it has it may go on serving, whatever became of the folder. ``fallback`` stand in
    for a live version that cannot answer. ``canary`` is the one that has proven itself and gets its share: no other
    client is led to one that has not.
    """
    rollout = entry.rollout
    shares = [share.version for share in (rollout.canary, rollout.shadow) if share is not None]
    parts = [v for v in (rollout.live, *fallback, *shares, rollout.next, *rollout.candidates) if v is not None]
    # What answers goes first, so that a restarted server answers soonest; what was drained comes last.
    first = [] if answering is None else [answering]
    sound = [v for v in (*first, *parts) if v in entry.releases]
    still = [v for v in (*first, *sorted(used)) if v in held or v in entry.releases]
    ordered = list(dict.fromkeys([*(v for v in first if v in held), *sound, *still]))
    labels = {"stable": answering} if answering in ordered and answering is not None else {}
    if rollout.canary is not None and rollout.canary.version == canary and canary in ordered:
        labels["canary"] = canary
    return Need(ordered, labels)
