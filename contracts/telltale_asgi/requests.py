"""Every request has an id, in its answer and in the logs, and leaves one line in the log."""

from __future__ import annotations

import logging
import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID_HEADER = "X-Request-ID"
MALFORMED = "malformed"
"""Where a server that hands on what cannot be read as HTTP says in the state of its scope what is wrong with it."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# These are asked every few seconds, and would bury what happens.
_PROBED = frozenset({"/health", "/metrics", "/ping"})
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestContext:
    """Takes the caller's X-Request-ID where it is sane, makes one where it is not, and logs the answer.

    What happens on the way adds to the line with ``structlog.contextvars.bind_contextvars``. No path, no query and no
    header stands in it. Pure ASGI, so that bodies stream through untouched.
    """

    def __init__(self, app: ASGIApp, *, logger: str) -> None:
        self._app = app
        self._log = structlog.stdlib.get_logger(logger)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the request and its answer, and tell of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _SANE.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
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

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._tell(scope, status, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope)
        self._log.log(
            logging.DEBUG if route in _PROBED else logging.INFO,
            "request",
            method=method_of(scope),
            route=route,
            status=status,
            ms=round(seconds * 1000.0, 1),
            client=scope["client"][0] if scope.get("client") else None,
            code=refusal_of(scope),
        )


def request_id_of(scope: Scope) -> str | None:
    """The id that the request was given; None where it was answered before it had one."""
    request_id: str | None = scope.get("state", {}).get("request_id")
    return request_id


def refusal_of(scope: Scope) -> str | None:
    """The code of the problem that was answered; None where none was."""
    code: str | None = scope.get("state", {}).get("refusal")
    return code


def malformed_of(scope: Scope) -> str | None:
    """What is wrong with a request that cannot be read as HTTP, as far as it was read; None where nothing is."""
    words: str | None = scope.get("state", {}).get(MALFORMED)
    return words


def route_of(scope: Scope) -> str:
    """The pattern of the route, never the path: each would be a new series of the caller's choice."""
    path: str = getattr(scope.get("route"), "path", "unmatched")
    return path


def method_of(scope: Scope) -> str:
    """The method, or "other" where it is a made-up one."""
    method: str = scope["method"]
    return method if method in _METHODS else "other"
