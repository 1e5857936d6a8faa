"""The gateway as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from fastapi import FastAPI
from telltale_asgi.problems import Faults
from telltale_asgi.requests import RequestContext

from telltale_gateway.api import health, models, predict
from telltale_gateway.api.access import Access
from telltale_gateway.api.description import describe
from telltale_gateway.api.headers import SecurityHeaders
from telltale_gateway.api.middleware import Counted, HeadAsGet
from telltale_gateway.api.origins import Origins
from telltale_gateway.api.pages import install_pages
from telltale_gateway.api.problems import FAULT, PROBLEMS, install_gateway_problems
from telltale_gateway.api.views import analyze, detection, multimodal, prediction
from telltale_gateway.api.views import status as views_status
from telltale_gateway.services import Services, open_services
from telltale_gateway.settings import Settings

OpenServices = Callable[[Settings], AbstractAsyncContextManager[Services]]


def create_app(settings: Settings, services: OpenServices = open_services) -> FastAPI:
    """The application; ``services`` are opened when it starts and closed when it stops."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with services(settings) as opened:
            app.state.services = opened
            await _can_answer(opened, settings.deadlines.start_s)
            yield

    app = FastAPI(
        title="Telltale",
        summary="Tells forged media from genuine media.",
        version="0.1.0",
        lifespan=lifespan,
        # Whether spans are recorded is decided where the process starts, not by variables that others set.
        telemetry={"auto_configure": False, "operation_spans": False},
        responses=PROBLEMS,
        # A redirect would be made of the Host that the caller names, and would have him send his upload twice.
        redirect_slashes=False,
        # FastAPI's own pages load their scripts from elsewhere, and it writes the document anew each time.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    install_gateway_problems(app)
    app.include_router(predict.router)
    app.include_router(health.router)
    for view in (prediction, detection, multimodal, analyze, views_status):
        app.include_router(view.router)
    app.include_router(models.router)
    describe(app)
    install_pages(app)
    # From the inside out.
    app.add_middleware(HeadAsGet)
    app.add_middleware(Access)
    app.add_middleware(Faults, fault=FAULT)
    if settings.cors_origins:
        app.add_middleware(Origins, origins=settings.cors_origins)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Counted)
    app.add_middleware(RequestContext, logger="telltale_gateway.requests")
    return app


async def _can_answer(services: Services, at_most_s: float) -> None:
    """Wait until every detector can answer: beside replicas that can, one that cannot yet would only refuse."""
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            while not services.reconciler.fleet.ready:  # noqa: ASYNC110 - the fleet is a snapshot, replaced each time
                await asyncio.sleep(0.1)
