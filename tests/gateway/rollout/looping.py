"""A reconcile loop over toys and one server, as the only gateway there is."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from telltale_gateway.rollout import (
    CatalogReader,
    Lease,
    Presence,
    Prover,
    Reconciler,
    Rhythm,
    RolloutStore,
    Sources,
    Steward,
    Traffic,
    Usage,
    Watches,
)
from telltale_gateway.rollout.fleet import Deployed
from telltale_gateway.serving import Backend

from tests.gateway.outcomes import RULES

PATIENCE_S = 20.0

_QUICK = Rhythm(0.01, 0.01, 0.0)


def put_beside(home: Path, version: int) -> Path:
    """Another version with the first one's bytes, by one rename."""
    coming = shutil.copytree(home / "1", home / f".{version}")
    card = yaml.safe_load((coming / "card.yaml").read_text())
    (coming / "card.yaml").write_text(yaml.safe_dump({**card, "version": version}))
    return coming.rename(home / str(version))


@dataclass
class Looping:
    """A gateway's loop, and its repository."""

    repository: Path
    reader: CatalogReader
    loop: Reconciler
    watches: Watches

    async def rounds(self, count: int) -> None:
        """Until so many more rounds have begun."""
        until = self.reader.readings + count
        await self.until(lambda: self.reader.readings >= until)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 it has no event for that
                await asyncio.sleep(0.005)

    def now(self, name: str = "toy-face") -> Deployed:
        """One detector as it is now."""
        deployed = self.loop.deployed(name)
        assert deployed is not None
        return deployed

    def ready(self, name: str = "toy-face") -> bool:
        """Whether it answers."""
        deployed = self.loop.deployed(name)
        return deployed is not None and deployed.readiness.ready

    def passed(self, version: int, name: str = "toy-face") -> bool:
        """Whether a version has passed its checks."""
        catalog = self.loop.catalog
        proof = self.loop.proof(catalog.entries[name], version) if catalog is not None else None
        return proof is not None and proof.passed

    def put(self, version: int, name: str = "toy-face") -> Path:
        """Another version with the first one's bytes, by one rename."""
        return put_beside(self.repository / name, version)


def loop_over(
    repository: Path,
    server: Backend,
    rhythm: Rhythm = _QUICK,
    *,
    store: RolloutStore | None = None,
    gateway: str = "acting",
) -> Looping:
    """A loop over a repository, which does not run yet."""
    reader, prover, watches = CatalogReader(repository, 0.0, PATIENCE_S), Prover(1.0), Watches(RULES)
    loop = Reconciler(
        Sources(reader, Lease(repository), Presence(repository, gateway)),
        {"triton": server},
        prover,
        Steward(store or RolloutStore(repository), prover),
        traffic=Traffic(Usage(), watches),
        rhythm=rhythm,
    )
    return Looping(repository, reader, loop, watches)


@asynccontextmanager
async def running(loop: Reconciler) -> AsyncIterator[None]:
    """Let a loop go round while the context lasts."""
    task = asyncio.create_task(loop.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def looping(
    repository: Path, server: Backend, *, probe_interval_s: float = 0.01, linger_s: float = 0.0
) -> AsyncIterator[Looping]:
    """A loop that goes round while the context lasts."""
    gateway = loop_over(repository, server, Rhythm(0.01, probe_interval_s, linger_s))
    async with running(gateway.loop):
        yield gateway
