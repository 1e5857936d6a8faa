"""Every request has an id, in its answer and in the logs, is counted, and leaves one line in the log."""

from __future__ import annotations

import logging
import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telltale_gateway.security import Caller
from telltale_gateway.telemetry import Telemetry

_log = structlog.stdlib.get_logger("telltale_gateway.requests")

REQUEST_ID_HEADER = "X-Request-ID"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBED = frozenset({"/health", "/metrics", "/ping"})
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestContext:
    """Takes the caller's X-Request-ID where it is sane, makes one where it is not; counts and logs the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _SANE.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        # What happens on the way adds to the line: an analysis its stages.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        telemetry: Telemetry = scope["app"].state.services.telemetry
        try:
            with telemetry.in_flight.track_inprogress():
                await self._app(scope, receive, send_with_id)
        finally:
            self._tell(telemetry, scope, status, time.perf_counter() - started)

    @staticmethod
    def _tell(telemetry: Telemetry, scope: Scope, status: int, seconds: float) -> None:
        route, method = _route(scope), _method(scope)
        telemetry.requests.labels(method, route, str(status)).inc()
        telemetry.request_seconds.labels(route).observe(seconds)
        refusal: str | None = scope["state"].get("refusal")
        if refusal is not None:
            telemetry.refusals.labels(refusal).inc()
        caller: Caller | None = scope["state"].get("caller")
        _log.log(
            # These are asked every few seconds, and would bury what happens.
            logging.DEBUG if route in _PROBED else logging.INFO,
            "request",
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000.0, 1),
            client=scope["client"][0] if scope.get("client") else None,
            caller=caller.name if caller else None,
            code=refusal,
        )


# The route's pattern, never the path, and no made-up method: each would be a new series of the caller's choice.
def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unmatched")


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in _METHODS else "other"
