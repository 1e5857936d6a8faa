"""Which detectors there are, which version of each answers, and what its card says."""

from __future__ import annotations

import difflib

from fastapi import APIRouter
from pydantic import BaseModel
from telltale_contracts import DetectorManifest, Rollout, VersionCard

from telltale_gateway.api.dependencies import ServicesDep, SettingsDep
from telltale_gateway.api.problems import PROBLEMS
from telltale_gateway.errors import UnknownModel
from telltale_gateway.rollout import CatalogEntry, Fleet

router = APIRouter(prefix="/models", tags=["models"])


class Model(BaseModel):
    """One detector: what it is, which version answers and whether it can, the rollout that is wanted, and the cards."""

    name: str
    live: int | None
    ready: bool
    reason: str | None
    manifest: DetectorManifest
    rollout: Rollout
    cards: dict[int, VersionCard]
    refused: dict[int, str]


@router.get("")
async def list_models(services: ServicesDep, settings: SettingsDep) -> list[Model]:
    """All detectors of the repository."""
    catalog = services.reconciler.catalog
    entries = catalog.entries.values() if catalog else ()
    return [_model(entry, services.reconciler.fleet, settings.reconcile.stale_after_s) for entry in entries]


@router.get("/{name}", responses=PROBLEMS)
async def get_model(name: str, services: ServicesDep, settings: SettingsDep) -> Model:
    """One detector."""
    catalog = services.reconciler.catalog
    entries = catalog.entries if catalog else {}
    if name not in entries:
        close = difflib.get_close_matches(name, entries, n=1)
        hint = f"Did you mean {close[0]}?" if close else "GET /models lists them."
        raise UnknownModel(f"There is no detector named {name[:80]!r}.", hint)
    return _model(entries[name], services.reconciler.fleet, settings.reconcile.stale_after_s)


def _model(entry: CatalogEntry, fleet: Fleet, stale_after_s: float) -> Model:
    deployed = fleet.detectors.get(entry.manifest.name)
    return Model(
        name=entry.manifest.name,
        live=deployed.version if deployed else None,
        ready=deployed is not None and deployed.readiness.ready and deployed.readiness.age_s <= stale_after_s,
        reason=(deployed.refused or deployed.readiness.reason) if deployed else "not looked at yet",
        manifest=entry.manifest,
        rollout=entry.rollout,
        cards={version: release.card for version, release in entry.releases.items()},
        refused=dict(entry.unsound),
    )
