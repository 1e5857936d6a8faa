"""Which detectors there are, which version of each answers, what its card says; and changing that."""

from __future__ import annotations

import difflib
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from telltale_contracts import DetectorManifest, Rollout, RolloutEvent, VersionCard

from telltale_gateway.api.dependencies import ServicesDep, SettingsDep
from telltale_gateway.api.operators import Operator
from telltale_gateway.api.problems import PROBLEMS
from telltale_gateway.errors import UnknownModel
from telltale_gateway.rollout import CanaryCounts, CatalogEntry, Diff, Order, Receipt, VersionStatus
from telltale_gateway.services import Services

router = APIRouter(prefix="/models", tags=["models"])

VersionNumber = Annotated[int, Query(ge=1)]


class Model(BaseModel):
    """One detector: what it is, which version answers and whether it can, the rollout that is wanted, and the cards.

    ``versions``: where each version stands. ``gateways``: which version each gateway over the repository answers with.
    ``canary``: what this gateway saw of the present canary.
    """

    name: str
    live: int | None
    ready: bool
    reason: str | None
    manifest: DetectorManifest
    rollout: Rollout
    cards: dict[int, VersionCard]
    refused: dict[int, str]
    versions: list[VersionStatus]
    gateways: dict[str, int | None]
    canary: CanaryCounts | None


@router.get("")
async def list_models(services: ServicesDep, settings: SettingsDep) -> list[Model]:
    """All detectors of the repository."""
    catalog = services.reconciler.catalog
    entries = catalog.entries.values() if catalog else ()
    return [_model(entry, services, settings.reconcile.stale_after_s) for entry in entries]


@router.get("/{name}", responses=PROBLEMS)
async def get_model(name: str, services: ServicesDep, settings: SettingsDep) -> Model:
    """One detector."""
    return _model(_entry(name, services), services, settings.reconcile.stale_after_s)


@router.get("/{name}/history", responses=PROBLEMS)
async def get_history(name: str, services: ServicesDep) -> list[RolloutEvent]:
    """What was done to a detector's versions, by whom, when and why; oldest first."""
    return list(_entry(name, services).history.events)


@router.get("/{name}/diff", responses=PROBLEMS)
async def get_diff(name: str, left: VersionNumber, right: VersionNumber, services: ServicesDep) -> Diff:
    """How two versions' scores differ, on their golden inputs and on requests that both have scored."""
    return await services.overview.diff(_entry(name, services), left, right)


@router.post("/{name}/rollout", responses=PROBLEMS)
async def roll_out(name: str, order: Order, services: ServicesDep, source: Operator) -> Receipt:
    """Change which version answers: stage, shadow, canary, promote, rollback, pin, drain."""
    return await services.operations.perform(_entry(name, services), order, source)


def _entry(name: str, services: Services) -> CatalogEntry:
    catalog = services.reconciler.catalog
    entries = catalog.entries if catalog else {}
    if name not in entries:
        close = difflib.get_close_matches(name, entries, n=1)
        hint = f"Did you mean {close[0]}?" if close else "GET /models lists them."
        raise UnknownModel(f"There is no detector named {name[:80]!r}.", hint)
    return entries[name]


def _model(entry: CatalogEntry, services: Services, stale_after_s: float) -> Model:
    name = entry.manifest.name
    deployed = services.reconciler.fleet.detectors.get(name)
    return Model(
        name=name,
        live=deployed.version if deployed else None,
        ready=deployed is not None and deployed.readiness.within(stale_after_s),
        reason=(deployed.refused or deployed.readiness.reason) if deployed else "no version is live",
        manifest=entry.manifest,
        rollout=entry.rollout,
        cards={version: release.card for version, release in entry.releases.items()},
        refused=dict(entry.unsound),
        versions=services.overview.versions(entry),
        gateways=services.overview.gateways(name),
        canary=services.overview.canary(name),
    )
