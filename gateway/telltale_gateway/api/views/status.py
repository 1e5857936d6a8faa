"""``/``, ``/ping``, ``/stats``, ``/device``, ``/system``, ``/config`` and ``/models/info``: what is running here."""

from __future__ import annotations

import os
import platform
import resource
from typing import Literal

from fastapi import APIRouter
from telltale_contracts import Forgery, Sampling, Server

from telltale_gateway.api.dependencies import ServicesDep, SettingsDep
from telltale_gateway.api.views.shapes import View
from telltale_gateway.rollout import Fleet
from telltale_gateway.settings import Canary, Deadlines, Fusion, Limits, Reconcile, Settings, Visualizations
from telltale_gateway.telemetry import Telemetry

router = APIRouter(tags=["views"])


class Root(View):
    """What this is, and where it is described."""

    name: Literal["Telltale"] = "Telltale"
    status: Literal["ready", "not_ready"]
    docs: Literal["/docs"] = "/docs"
    openapi: Literal["/openapi.json"] = "/openapi.json"
    health: Literal["/health"] = "/health"


class Pong(View):
    """Somebody is there."""

    status: Literal["pong"] = "pong"


class Stats(View):
    """Since this gateway was started: answers by HTTP status, verdicts by label and by kind of media."""

    requests: int
    requests_by_status: dict[str, int]
    verdicts: int
    verdicts_by_label: dict[str, int]
    verdicts_by_modality: dict[str, int]


class Device(View):
    """What detectors compute on, and whether each of their servers answers."""

    device: str
    servers: dict[str, bool]


class System(View):
    """The machine of the gateway, as far as it is nobody's secret; the memory, in MB, is the gateway's own."""

    platform: str
    python: str
    cpus: int
    load_average: list[float]
    peak_memory_mb: float


class Config(View):
    """The settings that callers may know: no address, no path, no key."""

    device: str
    default_frames: int
    limits: Limits
    deadlines: Deadlines
    fusion: Fusion
    reconcile: Reconcile
    canary: Canary
    visualizations: Visualizations


class ModelInfo(View):
    """One live detector."""

    name: str
    version: int
    forgery: Forgery
    server: Server
    input: str
    weight: float
    description: str
    ready: bool


class ModelsInfo(View):
    """All live detectors."""

    total: int
    models: list[ModelInfo]


def root_of(fleet: Fleet, stale_after_s: float) -> Root:
    """Whether anything can answer."""
    ready = any(deployed.readiness.within(stale_after_s) for deployed in fleet.detectors.values())
    return Root(status="ready" if ready else "not_ready")


def stats_of(telemetry: Telemetry) -> Stats:
    """From the metrics' own counters."""
    by_status = telemetry.totals("telltale_requests", "status")
    by_label = telemetry.totals("telltale_verdicts", "label")
    return Stats(
        requests=sum(by_status.values()),
        requests_by_status=by_status,
        verdicts=sum(by_label.values()),
        verdicts_by_label=by_label,
        verdicts_by_modality=telemetry.totals("telltale_verdicts", "modality"),
    )


def config_of(settings: Settings) -> Config:
    """What is listed, and nothing else, however the settings grow."""
    return Config(
        device=settings.device,
        default_frames=Sampling().max_frames,
        limits=settings.limits,
        deadlines=settings.deadlines,
        fusion=settings.fusion,
        reconcile=settings.reconcile,
        canary=settings.canary,
        visualizations=settings.visualizations,
    )


def models_of(fleet: Fleet, stale_after_s: float) -> ModelsInfo:
    """The live detectors, by name."""
    models = [
        ModelInfo(
            name=name,
            version=deployed.version,
            forgery=deployed.manifest.forgery,
            server=deployed.manifest.server,
            input=deployed.manifest.input.kind,
            weight=deployed.manifest.weight,
            description=deployed.manifest.description,
            ready=deployed.readiness.within(stale_after_s),
        )
        for name, deployed in sorted(fleet.detectors.items())
    ]
    return ModelsInfo(total=len(models), models=models)


@router.get("/")
async def root(services: ServicesDep, settings: SettingsDep) -> Root:
    """What this is."""
    return root_of(services.reconciler.fleet, settings.reconcile.stale_after_s)


@router.get("/ping")
async def ping() -> Pong:
    """Whether somebody is there."""
    return Pong()


@router.get("/stats")
async def stats(services: ServicesDep) -> Stats:
    """What was asked and answered so far."""
    return stats_of(services.telemetry)


@router.get("/device")
async def device(services: ServicesDep, settings: SettingsDep) -> Device:
    """What computes."""
    return Device(device=settings.device, servers=dict(services.reconciler.fleet.servers))


@router.get("/system")
async def system() -> System:
    """The machine."""
    return System(
        platform=platform.system(),
        python=platform.python_version(),
        cpus=os.cpu_count() or 1,
        load_average=list(os.getloadavg()),
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    )


@router.get("/config")
async def config(settings: SettingsDep) -> Config:
    """The settings that callers may know."""
    return config_of(settings)


@router.get("/models/info")
async def models_info(services: ServicesDep, settings: SettingsDep) -> ModelsInfo:
    """The live detectors."""
    return models_of(services.reconciler.fleet, settings.reconcile.stale_after_s)
