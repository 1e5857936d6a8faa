"""The reconcile loop: rollout.yaml says which versions are to answer, and the servers are brought to it.

A version answers once it has given its golden scores through its server. Until then the one before it goes on
answering, and stays loaded for as long as a request that began with it may last. Everything that goes wrong with a
server (a restart that forgot its models, a stub that died behind a model that says READY) shows as a failed inference,
and is mended by the same few steps each time round.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from telltale_contracts import Server

from telltale_gateway.rollout.catalog import Catalog, CatalogEntry, Release, read_catalog
from telltale_gateway.rollout.fleet import Deployed, Fleet, Readiness
from telltale_gateway.rollout.probe import GoldenMismatch, GoldenProbe
from telltale_gateway.serving import Backend, BackendError, BackendRefused, BackendTimeout, BackendUnavailable, Versions

_log = logging.getLogger(__name__)

# A busy server may let a probe wait; it takes this many in a row to call a proven version down.
_PATIENCE = 3

# How long a version that its server could not load is left out beside one that answers.
_TRY_AGAIN_S = 30.0


@dataclass(frozen=True)
class Rhythm:
    """Seconds between rounds, between probes of a version that answers, and that a former version stays loaded."""

    interval_s: float
    probe_interval_s: float
    linger_s: float


class Reconciler:
    """Keeps the servers at the desired state, and publishes the fleet that it found."""

    def __init__(
        self, repository: Path, backends: Mapping[Server, Backend], probe: GoldenProbe, rhythm: Rhythm
    ) -> None:
        self._repository = repository
        self._backends = backends
        self._probe = probe
        self._rhythm = rhythm
        self._catalog: Catalog | None = None
        self._fleet = Fleet()
        self._nudged = asyncio.Event()
        self._loads: dict[Server, asyncio.Task[Mapping[str, str]]] = {}
        self._rounds: dict[Server, asyncio.Task[None]] = {}
        self._lingering: dict[tuple[str, int], float] = {}
        self._unloadable: dict[tuple[str, int], tuple[float, str]] = {}
        self._timeouts: dict[str, int] = {}

    @property
    def fleet(self) -> Fleet:
        """The latest snapshot."""
        return self._fleet

    @property
    def catalog(self) -> Catalog | None:
        """The repository as last read; none before the first round."""
        return self._catalog

    def suspect(self, name: str) -> None:
        """A detector failed a request: probe it now rather than when its turn comes."""
        deployed = self._fleet.detectors.get(name)
        if deployed is not None and deployed.readiness.ready:
            stale = Readiness(ready=True, reason=None, checked_at=float("-inf"))
            self._publish(replace(deployed, readiness=stale))
            self._nudged.set()

    async def run(self) -> None:
        """Reconcile until cancelled; a server that is slow to load holds up nobody but itself."""
        try:
            while True:
                for server, entries in (await self._wanted()).items():
                    if server not in self._rounds or self._rounds[server].done():
                        self._rounds[server] = asyncio.create_task(self._guarded(server, entries))
                try:
                    async with asyncio.timeout(self._rhythm.interval_s):
                        await self._nudged.wait()
                except TimeoutError:
                    pass
                self._nudged.clear()
        finally:
            pending = [*self._rounds.values(), *self._loads.values()]
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _wanted(self) -> dict[Server, list[CatalogEntry]]:
        """Read the repository; where that fails, what was read last still holds."""
        try:
            self._catalog = await asyncio.to_thread(read_catalog, self._repository, self._catalog)
        except Exception:
            # Whatever is the matter with the folder, the loop must live to see it mended.
            _log.exception("the model repository cannot be read")
        catalog = self._catalog or Catalog({}, {})
        wanted: dict[Server, list[CatalogEntry]] = {server: [] for server in self._backends}
        for entry in catalog.entries.values():
            wanted.setdefault(entry.manifest.server, []).append(entry)
        self._fleet = replace(
            self._fleet,
            detectors={name: d for name, d in self._fleet.detectors.items() if name in catalog.entries},
            unreadable=catalog.unreadable,
            expected=frozenset(catalog.entries) | frozenset(catalog.unreadable) if self._catalog else None,
        )
        return wanted

    async def _guarded(self, server: Server, entries: list[CatalogEntry]) -> None:
        # A fault of our own must not end the loop: it is logged, and as nothing is published the detectors' last
        # inference grows old, which /health reports.
        try:
            await self._reconcile_server(server, entries)
        except Exception:
            _log.exception("reconciling %s failed", server)

    async def _reconcile_server(self, server: Server, entries: list[CatalogEntry]) -> None:
        backend = self._backends.get(server)
        alive = backend is not None and await backend.alive()
        if backend is None or not alive:
            reason = f"{server} does not answer" if backend else f"no {server} server is configured"
            if backend is not None:
                self._fleet = replace(self._fleet, servers={**self._fleet.servers, server: False})
            for entry in entries:
                self._publish(self._down(entry, backend, reason))
            return
        self._fleet = replace(self._fleet, servers={**self._fleet.servers, server: True})
        failures = await self._load(server, backend, entries)
        for entry in entries:
            if self._due(entry):
                try:
                    self._publish(await self._examine(backend, entry, self._load_failure(entry, failures)))
                except Exception as error:
                    _log.exception("examining %s failed", entry.manifest.name)
                    self._publish(self._down(entry, backend, f"its examination failed: {type(error).__name__}"))

    async def _load(self, server: Server, backend: Backend, entries: list[CatalogEntry]) -> Mapping[str, str]:
        """Tell the server what to serve, and wait a little; what it still loads is not waited for.

        Returns why, for each detector of which a version could not be loaded.
        """
        wanted = {entry.manifest.name: versions for entry in entries if (versions := self._versions(entry))}
        load = self._loads.get(server)
        if load is None:
            load = self._loads[server] = asyncio.create_task(backend.serve(wanted))
        await asyncio.wait({load}, timeout=self._rhythm.interval_s)
        if not load.done():
            return {}
        del self._loads[server]
        try:
            failures = load.result()
        except BackendError as error:
            _log.warning("%s: %s", server, error)
            failures = dict.fromkeys(wanted, str(error))
            if isinstance(error, BackendUnavailable):
                return failures
        for entry in entries:
            if entry.manifest.name in failures:
                self._want_less(entry, failures[entry.manifest.name])
        return failures

    def _versions(self, entry: CatalogEntry) -> Versions:
        """The version wanted, the one that answers, and those that requests may still be using."""
        name, now = entry.manifest.name, time.monotonic()
        self._lingering = {key: until for key, until in self._lingering.items() if until > now}
        self._unloadable = {key: state for key, state in self._unloadable.items() if state[0] > now}
        versions = {version for detector, version in self._lingering if detector == name}
        if entry.rollout.live in entry.releases and (name, entry.rollout.live) not in self._unloadable:
            versions.add(entry.rollout.live)
        deployed = self._fleet.detectors.get(name)
        if deployed is not None and deployed.release is not None:
            versions.add(deployed.version)
        return frozenset(versions)

    def _want_less(self, entry: CatalogEntry, failure: str) -> None:
        """Servers load all versions of a model or none: a bad one must not keep out the one that answers."""
        name, live = entry.manifest.name, entry.rollout.live
        self._lingering = {key: until for key, until in self._lingering.items() if key[0] != name}
        deployed = self._fleet.detectors.get(name)
        if deployed is not None and deployed.release is not None and deployed.version != live:
            self._unloadable[name, live] = (time.monotonic() + _TRY_AGAIN_S, failure)

    def _load_failure(self, entry: CatalogEntry, failures: Mapping[str, str]) -> str | None:
        name = entry.manifest.name
        _, before = self._unloadable.get((name, entry.rollout.live), (0.0, None))
        return failures.get(name) or before

    async def _examine(self, backend: Backend, entry: CatalogEntry, load_failure: str | None) -> Deployed:
        """The version wanted if it proves itself, else the one before if it still does, else none."""
        name, live = entry.manifest.name, entry.rollout.live
        before = self._fleet.detectors.get(name)
        if before is not None and before.version == live and before.readiness.ready:
            return await self._still_there(backend, entry, before)
        release = entry.releases.get(live)
        if release is None:
            failure: str | None = f"version {live} is refused: {entry.unsound[live]}"
        else:
            failure = await self._prove(backend, entry, release, load_failure)
        if failure is None:
            _log.info("%s %d answers", name, live)
            if before is not None and before.version != live and before.release is not None:
                self._lingering[name, before.version] = time.monotonic() + self._rhythm.linger_s
            return Deployed(entry.manifest, live, release, backend, Readiness(ready=True, reason=None))
        if before is not None and before.version != live and before.release is not None:
            kept = await self._prove(backend, entry, before.release, load_failure)
            readiness = Readiness(ready=kept is None, reason=kept)
            return Deployed(entry.manifest, before.version, before.release, backend, readiness, refused=failure)
        return self._down(entry, backend, failure)

    async def _still_there(self, backend: Backend, entry: CatalogEntry, before: Deployed) -> Deployed:
        """One golden item of a version that has given them all before."""
        if before.release is None:
            raise RuntimeError("a version answered without a release")
        try:
            await self._probe(backend, entry.manifest, before.release, items=1)
        except BackendTimeout as error:
            misses = self._timeouts[before.name] = self._timeouts.get(before.name, 0) + 1
            if misses < _PATIENCE:
                return before
            return replace(before, readiness=Readiness(ready=False, reason=str(error)))
        except (BackendError, GoldenMismatch):
            failure = await self._prove(backend, entry, before.release, None)
            readiness = Readiness(ready=failure is None, reason=failure)
        else:
            readiness = Readiness(ready=True, reason=None)
        self._timeouts.pop(before.name, None)
        return Deployed(entry.manifest, before.version, before.release, backend, readiness)

    async def _prove(
        self, backend: Backend, entry: CatalogEntry, release: Release, load_failure: str | None
    ) -> str | None:
        """All golden items of one version; why it may not answer, or None."""
        name, version = entry.manifest.name, release.card.version
        try:
            try:
                await self._probe(backend, entry.manifest, release)
            except BackendRefused as error:
                if not await backend.ready(name, version):
                    return load_failure or f"version {version} is not loaded: {error}"
                _log.warning("%s %d is loaded but does not answer, loading it afresh: %s", name, version, error)
                await backend.revive(name, self._versions(entry))
                await self._probe(backend, entry.manifest, release)
        except (BackendError, GoldenMismatch) as error:
            return str(error)
        return None

    def _due(self, entry: CatalogEntry) -> bool:
        deployed = self._fleet.detectors.get(entry.manifest.name)
        if deployed is None or not deployed.readiness.ready or deployed.manifest != entry.manifest:
            return True
        if (deployed.version != entry.rollout.live) != (deployed.refused is not None):
            return True
        return deployed.readiness.age_s >= self._rhythm.probe_interval_s

    def _down(self, entry: CatalogEntry, backend: Backend | None, reason: str) -> Deployed:
        """The detector, not ready; the version that answered stays the one that will answer again."""
        readiness = Readiness(ready=False, reason=reason)
        before = self._fleet.detectors.get(entry.manifest.name)
        if before is not None and before.release is not None:
            return Deployed(entry.manifest, before.version, before.release, backend, readiness)
        live = entry.rollout.live
        return Deployed(entry.manifest, live, entry.releases.get(live), backend, readiness)

    def _publish(self, deployed: Deployed) -> None:
        if self._catalog is not None and deployed.name in self._catalog.entries:
            self._fleet = replace(self._fleet, detectors={**self._fleet.detectors, deployed.name: deployed})
