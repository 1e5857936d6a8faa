"""Every request is counted: how it was answered, how long that took, what was refused; and HEAD is a GET."""

from __future__ import annotations

import time

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from telltale_asgi.requests import method_of, refusal_of, route_of

from telltale_gateway.telemetry import Telemetry


class Counted:
    """Tells the gateway's metrics of each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        telemetry: Telemetry = scope["app"].state.services.telemetry
        started = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with telemetry.in_flight.track_inprogress():
                await self._app(scope, receive, watched)
        finally:
            # What was refused before it came to a route is told of by the one that it was meant for.
            if "route" not in scope:
                scope["route"] = _route_meant(scope)
            route = route_of(scope)
            telemetry.requests.labels(method_of(scope), route, str(status)).inc()
            telemetry.request_seconds.labels(route).observe(time.perf_counter() - started)
            refusal = refusal_of(scope)
            if refusal is not None:
                telemetry.refusals.labels(refusal).inc()


class HeadAsGet:
    """Answers HEAD wherever there is GET (RFC 9110, 9.3.2); the server below leaves out the content."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy: the server asks its own what was asked.
        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, send)
        finally:
            scope["route"] = asked.get("route")


def _route_meant(scope: Scope) -> RouteContext | None:
    for route in iter_route_contexts(scope["app"].routes):
        if route.path_regex.match(scope["path"]):
            return route
    return None
