"""Whether the system can answer, from real inferences; and its metrics."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response, status
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from telltale_contracts import Server

from telltale_gateway.api.dependencies import ServicesDep, SettingsDep

router = APIRouter(tags=["status"])


class DetectorHealth(BaseModel):
    """One live detector: whether its last real inference gave the golden scores, and how long ago that was.

    ``reason``: why it is not ready, or why another version answers than rollout.yaml wants.
    """

    name: str
    version: int
    server: Server
    ready: bool
    checked_s_ago: float
    reason: str | None


class Health(BaseModel):
    """``status`` is "ok" when everything can answer, "degraded" when something can, "unavailable" when nothing can.

    ``problems``: what is wrong with folders of the repository, and what a fault keeps from being done about versions.
    """

    status: Literal["ok", "degraded", "unavailable"]
    device: str
    services: dict[str, bool]
    detectors: list[DetectorHealth]
    problems: dict[str, str]


@router.get("/health", responses={503: {"model": Health}})
async def health(services: ServicesDep, settings: SettingsDep, response: Response) -> Health:
    """Readiness; 200 only when every live detector answered a real inference within the last seconds."""
    fleet = services.reconciler.fleet
    stale_after = settings.reconcile.stale_after_s
    detectors = []
    for deployed in fleet.detectors.values():
        readiness = deployed.readiness
        ready = readiness.within(stale_after)
        stale = readiness.ready and not ready
        detectors.append(
            DetectorHealth(
                name=deployed.name,
                version=deployed.version,
                server=deployed.manifest.server,
                ready=ready,
                checked_s_ago=round(min(readiness.age_s, 1e6), 3),
                reason=f"no inference in the last {stale_after:g} s" if stale else deployed.refused or readiness.reason,
            )
        )
    preprocess = await services.preprocess.alive()
    answering = [detector.ready for detector in detectors]
    if preprocess and fleet.ready and all(answering):
        word: Literal["ok", "degraded", "unavailable"] = "ok"
    else:
        word = "degraded" if preprocess and any(answering) else "unavailable"
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = "2"
    return Health(
        status=word,
        device=settings.device,
        services={"preprocess": preprocess, **fleet.servers},
        detectors=detectors,
        problems=fleet.problems,
    )


@router.get("/metrics", response_class=Response)
async def metrics(services: ServicesDep) -> Response:
    """Metrics in Prometheus' text format."""
    return Response(
        services.telemetry.exposition(
            services.reconciler.fleet,
            services.analyzer.running,
            {server: backend.waiting for server, backend in services.backends.items()},
        ),
        media_type=CONTENT_TYPE_LATEST,
    )
