"""The gateway as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from fastapi import FastAPI

from telltale_gateway.api import health, models, predict
from telltale_gateway.api.middleware import RequestContext
from telltale_gateway.api.problems import install_problem_handlers
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
    )
    app.state.settings = settings
    install_problem_handlers(app)
    app.include_router(predict.router)
    app.include_router(health.router)
    app.include_router(models.router)
    app.add_middleware(RequestContext)
    return app


async def _can_answer(services: Services, at_most_s: float) -> None:
    """Wait until every detector can answer: beside replicas that can, one that cannot yet would only refuse."""
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            while not services.reconciler.fleet.ready:  # noqa: ASYNC110 - the fleet is a snapshot, replaced each time
                await asyncio.sleep(0.1)
