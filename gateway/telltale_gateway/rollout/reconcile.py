"""The reconcile loop: rollout.yaml says which versions are to answer, and the servers are brought to it.

A version answers once it has given its golden scores through its servers. Until then the one before it goes on
answering, and stays loaded for as long as any gateway may use it. Everything that goes wrong with a server (a restart
that forgot its models, a stub that died behind a model that says READY) shows as a failed inference, and is mended by
the same few steps each time round.

Of several gateways over one repository the one that holds the lease tells the servers what to load and decides what
follows from the checks. All of them check for themselves, and each follows rollout.yaml once it has seen for itself
that a version answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from telltale_contracts import Server

from telltale_gateway.rollout.aborts import Aborts
from telltale_gateway.rollout.catalog import Catalog, CatalogEntry, CatalogReader
from telltale_gateway.rollout.composing import Composer
from telltale_gateway.rollout.examining import Examiner
from telltale_gateway.rollout.fleet import Deployed, Fleet
from telltale_gateway.rollout.lease import Lease
from telltale_gateway.rollout.loading import Loader, Need, need_of
from telltale_gateway.rollout.presence import Presence, Present
from telltale_gateway.rollout.proving import Proof, Prover, Renew, Revive
from telltale_gateway.rollout.releases import Release
from telltale_gateway.rollout.steward import Steward
from telltale_gateway.rollout.troubles import Troubles
from telltale_gateway.rollout.usage import Usage
from telltale_gateway.rollout.waking import Waking
from telltale_gateway.rollout.watch import Watches
from telltale_gateway.serving import Backend, BackendBusy, BackendTimeout, BackendUnavailable, Versions

_log = logging.getLogger(__name__)

_REPOSITORY = "model-repository"
_EXAMINATION = "its examination"


@dataclass(frozen=True)
class Rhythm:
    """Seconds between rounds, between probes of a version that answers, and that a version stays once it is unused."""

    interval_s: float
    probe_interval_s: float
    linger_s: float


@dataclass(frozen=True)
class Sources:
    """What the loop reads and writes on the shared folder."""

    reader: CatalogReader
    lease: Lease
    presence: Presence


@dataclass(frozen=True)
class Traffic:
    """What is known of the requests of this gateway."""

    usage: Usage
    watches: Watches


class Reconciler:
    """Keeps the servers at the desired state, and publishes the fleet that it found."""

    def __init__(
        self,
        sources: Sources,
        backends: Mapping[Server, Backend],
        prover: Prover,
        steward: Steward,
        *,
        traffic: Traffic,
        rhythm: Rhythm,
    ) -> None:
        self._sources = sources
        self._backends = backends
        self._prover = prover
        self._steward = steward
        self._traffic = traffic
        self._rhythm = rhythm
        self._loaders = {
            server: Loader(backend, rhythm.linger_s, prover.was_read) for server, backend in backends.items()
        }
        self._aborts = Aborts()
        self._troubles = Troubles()
        self._composer = Composer(prover, self._loaders, self._aborts)
        self._examiner = Examiner(prover, rhythm.probe_interval_s, self.nudge)
        self._waking = Waking(backends)
        self._catalog: Catalog | None = None
        self._fleet = Fleet()
        self._nudged = asyncio.Event()
        self._rounds: dict[Server, asyncio.Task[None]] = {}

    @property
    def fleet(self) -> Fleet:
        """The latest snapshot."""
        return self._fleet

    @property
    def catalog(self) -> Catalog | None:
        """The repository as last read; none before the first round."""
        return self._catalog

    @property
    def usage(self) -> Usage:
        """Which versions requests use; a request counts from the moment that it takes its snapshot."""
        return self._traffic.usage

    @property
    def acts(self) -> bool:
        """Whether this gateway is the one that tells the servers what to load."""
        return self._sources.lease.held

    def deployed(self, name: str) -> Deployed | None:
        """One detector as it is now."""
        return self._fleet.detectors.get(name)

    def proof(self, entry: CatalogEntry, version: int) -> Proof | None:
        """How far a version came here."""
        release = entry.releases.get(version)
        return self._prover.proof(entry.manifest, release) if release is not None else None

    def loaded(self, entry: CatalogEntry) -> Versions:
        """The versions that a server has, as far as this gateway and the others that act know."""
        loader = self._loaders.get(entry.manifest.server)
        own: Versions = loader.holds(entry.manifest.name) if self.acts and loader is not None else frozenset()
        return own | self._sources.presence.keeps(entry.manifest.name)

    async def awake(self) -> None:
        """Return once the fleet is what there is: at once, unless this gateway stood still."""
        await self._waking.wait()

    def nudge(self) -> None:
        """Look again now rather than when it is time."""
        self._nudged.set()

    def suspect(self, name: str) -> None:
        """A detector failed a request: probe it now rather than when its turn comes."""
        deployed = self._fleet.detectors.get(name)
        if deployed is not None and deployed.readiness.ready and deployed.release is not None:
            self._prover.doubt(deployed.manifest, deployed.release)
            self.nudge()

    async def run(self) -> None:
        """Reconcile until cancelled; a server that is slow to load holds up nobody but itself."""
        try:
            while True:
                # Whatever is the matter with the folder, the loop must live to see it mended, and the others must hear
                # of it: what only a gateway uses that is silent they unload.
                with self._troubles.confined(_REPOSITORY, "a round"):
                    await self._round()
                self._waking.is_heard()
                with self._troubles.confined(_REPOSITORY, "telling the other gateways"):
                    await asyncio.to_thread(self._tell)
                there = self._catalog.entries.keys() if self._catalog is not None else ()
                self._troubles.keep({_REPOSITORY, *self._backends, *there})
                self._fleet = replace(self._fleet, troubles=self._troubles.found)
                try:
                    async with asyncio.timeout(self._rhythm.interval_s):
                        await self._nudged.wait()
                except TimeoutError:
                    pass
                self._nudged.clear()
        finally:
            for task in self._rounds.values():
                task.cancel()
            await asyncio.gather(*self._rounds.values(), return_exceptions=True)
            await self._examiner.stop()
            await asyncio.gather(*(loader.stop() for loader in self._loaders.values()))
            self._sources.presence.leave()
            self._sources.lease.give_back()

    async def _round(self) -> None:
        began = self._waking.round_begins()
        entries = await self._look()
        for server in self._backends.keys() | entries.keys():
            if server not in self._rounds or self._rounds[server].done():
                self._rounds[server] = asyncio.create_task(self._guarded(server, entries.get(server, []), began))
        await self._abort_canaries()

    async def _look(self) -> dict[Server, list[CatalogEntry]]:
        """Read the repository; where that fails, what was read last still holds."""
        with self._troubles.confined(_REPOSITORY, "reading it"):
            self._catalog = await asyncio.to_thread(self._sources.reader.read)
        with self._troubles.confined(_REPOSITORY, "taking its lease"):
            await asyncio.to_thread(self._sources.lease.take)
        with self._troubles.confined(_REPOSITORY, "hearing the other gateways"):
            await asyncio.to_thread(self._sources.presence.listen)
        catalog = self._catalog or Catalog({}, {})
        by_server: dict[Server, list[CatalogEntry]] = {}
        for entry in catalog.entries.values():
            by_server.setdefault(entry.manifest.server, []).append(entry)
        answering = {name: d for name, d in self._fleet.detectors.items() if name in catalog.entries}
        expected = {name for name, entry in catalog.entries.items() if entry.rollout.live is not None}
        self._fleet = replace(
            self._fleet,
            detectors=answering,
            unreadable=catalog.unreadable,
            expected=frozenset(expected | set(catalog.unreadable)) if self._catalog else None,
        )
        return by_server

    def _tell(self) -> None:
        """Tell the other gateways what this one uses, and what its servers are to keep where it acts on them."""
        detectors, presence = self._fleet.detectors, self._sources.presence
        entries = self._catalog.entries if self._catalog is not None else {}
        uses = self._traffic.usage.all()
        for name, deployed in detectors.items():
            uses[name] = uses.get(name, frozenset()) | deployed.versions
        own = Present(
            presence.gateway,
            answers={name: d.version for name, d in detectors.items() if d.readiness.ready},
            uses=uses,
            canaries={name: d.canary.version for name, d in detectors.items() if d.canary is not None},
            shadows={name: d.shadow.version for name, d in detectors.items() if d.shadow is not None},
            stack=self._sources.lease.stack,
            stands=self._stands() if self.acts else None,
            doubts={name: found for name in detectors if (found := self._doubts(name))} if self.acts else None,
            heard={name: len(entry.history.events) for name, entry in entries.items()},
        )
        presence.tell(own)

    def _stands(self) -> dict[str, Versions]:
        entries = self._catalog.entries.values() if self._catalog is not None else ()
        found: dict[str, Versions] = {}
        for entry in entries:
            loader = self._loaders.get(entry.manifest.server)
            if loader is not None and loader.informed:
                found[entry.manifest.name] = loader.stands(entry.manifest.name)
        return found

    async def _abort_canaries(self) -> None:
        """Give no request to a canary that must go, from this moment on; then write it down, which may take a while."""
        for deployed in list(self._fleet.detectors.values()):
            canary, why = deployed.canary, self._traffic.watches.breach(deployed)
            if canary is not None and why is not None:
                self._aborts.decide(deployed.name, canary.release, why)
                self._traffic.watches.end(deployed.name)
                self._publish(replace(deployed, canary=None))
        for name, entry in self._catalog.entries.items() if self._catalog is not None else ():
            # One that is only away, as its server is, stays watched.
            if entry.rollout.canary is None:
                self._traffic.watches.end(name)
        for abort in self._aborts.unwritten():
            with self._troubles.confined(abort.detector, "taking its canary out"):
                await self._steward.abort(abort.detector, abort.release, abort.why)
                self._aborts.written(abort, self._sources.reader.readings)
                self.nudge()

    async def _guarded(self, server: Server, entries: list[CatalogEntry], began: float) -> None:
        # As nothing is published then, the detectors' last inference grows old, which /health reports as well.
        with self._troubles.confined(server, "reconciling it"):
            await self._reconcile_server(server, entries, began)
        self._waking.looked(server, began)

    async def _reconcile_server(self, server: Server, entries: list[CatalogEntry], began: float) -> None:
        backend = self._backends.get(server)
        alive = backend is not None and await backend.alive()
        if backend is not None:
            self._fleet = replace(self._fleet, servers={**self._fleet.servers, server: alive})
        if backend is None or not alive:
            reason = f"{server} does not answer" if backend else f"no {server} server is configured"
            for entry in entries:
                # Once it is back it may have forgotten everything: each version has to prove itself again.
                self._prover.forget_others(entry.manifest.name, frozenset())
                self._publish(self._composer.down(entry, self._before(entry), backend, reason), began)
            return
        if self.acts:
            await self._load(server, entries)
        for entry in entries:
            name = entry.manifest.name
            with self._troubles.confined(name, _EXAMINATION):
                before = self._before(entry)
                releases = self._to_examine(entry, before)
                revive, renew = self._revive(entry), self._renew(entry)
                await self._examiner.examine(backend, entry, releases, before, revive, renew=renew)
                self._publish(self._composer.compose(backend, entry, self._before(entry), self._doubts(name)), began)
            failed = self._troubles.over(name, _EXAMINATION)
            if failed is not None:
                self._publish(self._composer.down(entry, self._before(entry), backend, failed), began)
            with self._troubles.confined(name, "what follows from its checks"):
                if self.acts and await self._steward.tend(entry, self._loaders[server].refusal):
                    self.nudge()

    def _to_examine(self, entry: CatalogEntry, before: Deployed | None) -> list[Release]:
        """The releases that have a part, less those that are about to be loaded, or again: these prove themselves then.

        That a server has a version proves nothing of one that it is about to unload, which only the gateway that acts
        knows; the others go by what it says.
        """
        name, doubts = entry.manifest.name, self._doubts(entry.manifest.name)
        releases = [r for r in self._composer.with_a_part(entry, before) if r.card.version not in doubts]
        if self.acts:
            stands: Versions | None = self._loaders[entry.manifest.server].stands(name)
        else:
            stands = self._sources.presence.stands(self._sources.lease.stack, name)
        if stands is None:
            return releases
        answering = before.version if before is not None else None
        return [r for r in releases if r.card.version in stands or r.card.version == answering]

    async def _load(self, server: Server, entries: list[CatalogEntry]) -> None:
        loader = self._loaders[server]
        needs: dict[str, Need] = {}
        for entry in entries:
            name = entry.manifest.name
            # Where that cannot be told, what there is, so that the others go on.
            needs[name] = Need(sorted(loader.holds(name)))
            with self._troubles.confined(name, "telling which versions it needs"):
                needs[name] = await self._need(entry, loader)
        # A detector whose folder is gone stays loaded for the requests that began with it, and should it come back.
        for name in loader.models() - needs.keys():
            holds = loader.holds(name)
            gone = dict.fromkeys(holds, "its folder is gone")
            needs[name] = Need(sorted(self._used(name) & holds), changed=gone, gone=True)
        # What is loaded is looked at all the same.
        with self._troubles.confined(server, "loading"):
            try:
                wanted = {name: need for name, need in needs.items() if need.versions or need.gone}
                await loader.load(wanted, self._rhythm.interval_s)
            except (BackendUnavailable, BackendTimeout, BackendBusy) as error:
                _log.warning("%s: %s", server, error)
                return
            if not loader.complete(needs):
                self.nudge()

    async def _need(self, entry: CatalogEntry, loader: Loader) -> Need:
        name = entry.manifest.name
        deployed = self._fleet.detectors.get(name)
        answering = deployed.version if deployed is not None and deployed.release is not None else None
        used, held = self._used(name), loader.holds(name)
        served = held | used | (frozenset() if answering is None else {answering})
        found = await asyncio.to_thread(self._sources.reader.compared, entry, served | entry.releases.keys())
        if not loader.informed:
            # What the gateway before had loaded, and nobody could load again as it was, is kept where it is found.
            held |= served & found.changed.keys()
        canary = deployed.canary.version if deployed is not None and deployed.canary is not None else None
        need = need_of(entry, answering, used, held, self._composer.fallback(entry, deployed), canary=canary)
        return replace(need, changed=found.changed, seals=found.seals)

    def _doubts(self, name: str) -> Mapping[int, str]:
        """The versions of which it is not known what their servers have, as the gateway that acts on these says."""
        if not self.acts:
            return self._sources.presence.doubts(self._sources.lease.stack, name)
        return {version: why for loader in self._loaders.values() for version, why in loader.doubts(name).items()}

    def _used(self, name: str) -> Versions:
        """The versions of a detector that requests of any gateway still use."""
        return self._traffic.usage.versions(name) | self._sources.presence.uses(name)

    def _revive(self, entry: CatalogEntry) -> Revive | None:
        """Load a model afresh on one server; for the gateway that acts, and a version that ought to answer."""
        if not self.acts:
            return None
        name, loader = entry.manifest.name, self._loaders[entry.manifest.server]

        async def revive(member: Backend) -> None:
            await loader.idle()
            await loader.revive(member, name, await self._need(entry, loader))

        return revive

    def _renew(self, entry: CatalogEntry) -> Callable[[int], Renew] | None:
        """Have a version that answers nobody taken out and loaded again; for the gateway that acts."""
        if not self.acts:
            return None
        name, loader = entry.manifest.name, self._loaders[entry.manifest.server]

        def of(version: int) -> Renew:
            def renew(why: str) -> None:
                loader.renew(name, version, why)
                self.nudge()

            return renew

        return of

    def _before(self, entry: CatalogEntry) -> Deployed | None:
        return self._fleet.detectors.get(entry.manifest.name)

    def _publish(self, deployed: Deployed | None, began: float | None = None) -> None:
        """Let requests go by it; not where the round that found it ``began`` before this gateway stood still."""
        if began is not None and self._waking.slept_since(began):
            return
        if deployed is not None and self._catalog is not None and deployed.name in self._catalog.entries:
            self._fleet = replace(self._fleet, detectors={**self._fleet.detectors, deployed.name: deployed})
