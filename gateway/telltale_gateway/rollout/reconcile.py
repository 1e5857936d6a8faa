"""The reconcile loop: rollout.yaml says which versions are to answer, and the servers are brought to it.

Everything that goes wrong with a server (a restart that forgot its models, a stub that died behind a model that says
READY) shows as a failed inference, and is mended by the same few steps each time round.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from telltale_contracts import Server

from telltale_gateway.rollout.catalog import Catalog, CatalogEntry, Release, read_catalog
from telltale_gateway.rollout.fleet import Deployed, Fleet, Readiness
from telltale_gateway.rollout.probe import GoldenMismatch, GoldenProbe
from telltale_gateway.serving import Backend, BackendError, BackendRefused

_log = logging.getLogger(__name__)


class Reconciler:
    """Keeps the servers at the desired state, and publishes the fleet that it found."""

    def __init__(
        self,
        repository: Path,
        backends: Mapping[Server, Backend],
        probe: GoldenProbe,
        *,
        interval_s: float,
        probe_interval_s: float,
    ) -> None:
        self._repository = repository
        self._backends = backends
        self._probe = probe
        self._interval_s = interval_s
        self._probe_interval_s = probe_interval_s
        self._catalog: Catalog | None = None
        self._fleet = Fleet()
        self._nudged = asyncio.Event()

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
            self._publish(Deployed(deployed.manifest, deployed.version, deployed.card, deployed.backend, stale))
            self._nudged.set()

    async def run(self) -> None:
        """Reconcile until cancelled; a server that is slow to load holds up nobody but itself."""
        running: dict[Server, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                for server, entries in (await self._wanted()).items():
                    if server not in running or running[server].done():
                        running[server] = group.create_task(self._guarded(server, entries))
                try:
                    async with asyncio.timeout(self._interval_s):
                        await self._nudged.wait()
                except TimeoutError:
                    pass
                self._nudged.clear()

    async def _wanted(self) -> dict[Server, list[CatalogEntry]]:
        """Read the repository; where that fails, what was read last still holds."""
        try:
            self._catalog = await asyncio.to_thread(read_catalog, self._repository, self._catalog)
        except OSError as error:
            _log.error("the model repository cannot be read: %s", error)
        catalog = self._catalog or Catalog({}, {})
        wanted: dict[Server, list[CatalogEntry]] = {server: [] for server in self._backends}
        for entry in catalog.entries.values():
            wanted.setdefault(entry.manifest.server, []).append(entry)
        detectors = {name: d for name, d in self._fleet.detectors.items() if name in catalog.entries}
        complete = set(detectors) == set(catalog.entries)
        self._fleet = replace(self._fleet, detectors=detectors, unreadable=catalog.unreadable, complete=complete)
        return wanted

    async def _guarded(self, server: Server, entries: list[CatalogEntry]) -> None:
        # A fault of our own must not end the loop for every server: it is logged, and as nothing is published the
        # detectors' last inference grows old, which /health reports.
        try:
            await self._reconcile_server(server, entries)
        except Exception:
            _log.exception("reconciling %s failed", server)

    async def _reconcile_server(self, server: Server, entries: list[CatalogEntry]) -> None:
        backend = self._backends.get(server)
        if backend is None:
            for entry in entries:
                self._publish(_deployed(entry, None, f"no {server} server is configured"))
            return
        alive = await backend.alive()
        self._fleet = replace(self._fleet, servers={**self._fleet.servers, server: alive})
        if not alive:
            for entry in entries:
                self._publish(_deployed(entry, backend, f"{server} does not answer"))
            return
        sound = [entry for entry in entries if entry.rollout.live in entry.releases]
        for entry in entries:
            if entry.rollout.live not in entry.releases:
                reason = f"version {entry.rollout.live} is refused: {entry.unsound[entry.rollout.live]}"
                self._publish(_deployed(entry, backend, reason))
        due = [entry for entry in sound if self._due(entry)]
        if due:
            await self._serve_and_probe(backend, sound, due)

    async def _serve_and_probe(self, backend: Backend, sound: list[CatalogEntry], due: list[CatalogEntry]) -> None:
        failure: str | None = None
        try:
            await backend.serve({entry.manifest.name: tuple(sorted(entry.releases)) for entry in sound})
        except BackendError as error:
            # One bad model must not hold back the others of its server: each is still probed, and says for itself.
            failure = str(error)
            _log.warning("%s: %s", backend.server, error)
        for entry in due:
            self._publish(await self._examined(backend, entry, failure))

    async def _examined(self, backend: Backend, entry: CatalogEntry, serve_failure: str | None) -> Deployed:
        release = entry.releases[entry.rollout.live]
        before = self._fleet.detectors.get(entry.manifest.name)
        proven = before is not None and before.version == release.card.version and before.readiness.ready
        try:
            try:
                await self._probe(backend, entry.manifest, release, items=1 if proven else None)
            except BackendRefused as error:
                if not await backend.ready(entry.manifest.name, entry.rollout.live):
                    raise BackendRefused(serve_failure or str(error)) from error
                _log.warning("%s is loaded but does not answer, loading it afresh: %s", entry.manifest.name, error)
                await backend.revive(entry.manifest.name, tuple(sorted(entry.releases)))
                await self._probe(backend, entry.manifest, release)
        except (BackendError, GoldenMismatch) as error:
            return _deployed(entry, backend, str(error))
        if not proven:
            _log.info("%s %d answers", entry.manifest.name, entry.rollout.live)
        return _deployed(entry, backend, None)

    def _due(self, entry: CatalogEntry) -> bool:
        deployed = self._fleet.detectors.get(entry.manifest.name)
        return (
            deployed is None
            or not deployed.readiness.ready
            or deployed.version != entry.rollout.live
            or deployed.manifest != entry.manifest
            or deployed.readiness.age_s >= self._probe_interval_s
        )

    def _publish(self, deployed: Deployed) -> None:
        if self._catalog is not None and deployed.name in self._catalog.entries:
            detectors = {**self._fleet.detectors, deployed.name: deployed}
            complete = set(detectors) == set(self._catalog.entries)
            self._fleet = replace(self._fleet, detectors=detectors, complete=complete)


def _deployed(entry: CatalogEntry, backend: Backend | None, failure: str | None) -> Deployed:
    release: Release | None = entry.releases.get(entry.rollout.live)
    return Deployed(
        manifest=entry.manifest,
        version=entry.rollout.live,
        card=release.card if release else None,
        backend=backend,
        readiness=Readiness(ready=failure is None, reason=failure),
    )
