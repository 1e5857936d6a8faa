"""The application: ``POST /bundle``, ``POST /render``, ``GET /health``, ``GET /metrics``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from telltale_asgi.problems import Faults, install_problem_handlers
from telltale_asgi.requests import RequestContext
from telltale_contracts import Problem, Recipe

from telltale_preprocess.api import render
from telltale_preprocess.api.rendering import RenderService
from telltale_preprocess.api.service import BundleService
from telltale_preprocess.api.tracing import TELEMETRY
from telltale_preprocess.errors import Busy, NoRoom, PreprocessError, ProcessingFailed
from telltale_preprocess.settings import Settings

router = APIRouter()

_HINTS = {
    404: "The service answers POST /bundle, POST /render, GET /health and GET /metrics.",
    405: "Use the method that the Allow header names.",
}
_FORM: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["media", "recipe"],
                "properties": {
                    "media": {"type": "string", "format": "binary", "description": "a video, an image or a sound"},
                    "recipe": {
                        "type": "string",
                        "description": "a Recipe as JSON",
                        "example": Recipe.model_validate(
                            {"inputs": [{"kind": "face_crop", "size": 224}]}
                        ).model_dump_json(),
                    },
                },
            }
        }
    },
}


def create_app(settings: Settings, service: BundleService | None = None) -> FastAPI:
    """The application; its lifespan starts and ends the service's workers."""
    owned = service or BundleService.create(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with owned:
            yield

    app = FastAPI(title="Telltale preprocess-service", version="0.1.0", lifespan=lifespan, telemetry=TELEMETRY)
    app.state.service = owned
    app.state.renders = RenderService(settings)
    install_problem_handlers(app, PreprocessError, _HINTS, no_room=NoRoom("There is no room left here for the upload."))
    app.add_middleware(Faults, fault=ProcessingFailed("The request failed for a reason that nobody foresaw."))
    app.add_middleware(RequestContext, logger="telltale_preprocess.requests")
    app.include_router(router)
    app.include_router(render.router)
    return app


async def _service(request: Request) -> BundleService:
    service: BundleService = request.app.state.service
    return service


ServiceDep = Annotated[BundleService, Depends(_service)]


@router.post(
    "/bundle",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "A TensorBundle (safetensors)."},
        "4XX": {"model": Problem, "description": "The upload or the recipe is at fault."},
        "5XX": {"model": Problem, "description": "Busy, too slow, or a fault of ours."},
    },
    openapi_extra={"requestBody": _FORM},
)
async def bundle(request: Request, service: ServiceDep) -> Response:
    """Decode one upload once and produce everything that its recipe lists."""
    return Response(await service.bundle(request.headers, request.stream()), media_type="application/octet-stream")


@router.get("/health", responses={503: {"model": Problem}})
async def health(service: ServiceDep) -> dict[str, str | int]:
    """Whether a request would be worked on: at least one warmed worker is alive."""
    alive = len(service.pool.pids)
    if not alive:
        raise Busy("No worker is alive; new ones are being warmed.")
    return {"status": "ok", "workers": alive, "queue": service.pool.waiting}


@router.get("/metrics", response_class=Response)
async def metrics(service: ServiceDep) -> Response:
    """Prometheus metrics."""
    service.metrics.workers.set(len(service.pool.pids))
    service.metrics.queue.set(service.pool.waiting)
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)
