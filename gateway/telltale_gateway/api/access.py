"""Nobody gets further than here without a key or a token, where these are asked for; it holds for every path.

It stands before the routes, so that not a byte of a body is read for somebody who may not send it, and so that a new
endpoint is closed until somebody opens it.
"""

from __future__ import annotations

import asyncio

import structlog
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from telltale_asgi.forms import FORM_TYPE
from telltale_asgi.problems import answer
from telltale_asgi.requests import malformed_of

from telltale_gateway import security
from telltale_gateway.api.operators import operator
from telltale_gateway.api.uploads import takes_uploads
from telltale_gateway.errors import BadUpload, MalformedRequest, TelltaleError, UploadTimeout, UploadTooLarge

KEY_HEADER = "X-API-Key"
# What says that the service is alive, and what describes it.
OPEN_PATHS = frozenset({"/health", "/ping", "/docs", "/redoc", "/openapi.json"})
_SMALL_BODY = 1_000_000
_SMALL_BODY_S = 10.0


def needed(method: str, path: str) -> security.Scope | None:
    """The scope that a call needs; None where being known is enough."""
    if method in {"GET", "HEAD"}:
        return None
    return "operate" if path.startswith("/models") else "analyse"


class Access:
    """Lets in whom the guard admits, and reads small bodies before anything waits for them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        receive = _readable(scope, receive)
        structlog.contextvars.bind_contextvars(caller=None)
        try:
            _must_be_readable(scope)
            await _admit(scope, headers)
            if needed(scope["method"], scope["path"]) == "operate":
                operator(Request(scope))
            if _has_small_body(scope, headers):
                receive = _replay(await _read(receive), receive)
        except TelltaleError as error:
            await answer(error, scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _must_be_readable(scope: Scope) -> None:
    words = malformed_of(scope)
    if words is not None:
        raise MalformedRequest(words, "Speak HTTP/1.1, with headers of 64 kB at most.")


def _readable(scope: Scope, receive: Receive) -> Receive:
    """What is read of a body, until it cannot be."""

    async def readable() -> Message:
        message = await receive()
        _must_be_readable(scope)
        return message

    return readable


async def _admit(scope: Scope, headers: Headers) -> None:
    guard: security.Guard | None = scope["app"].state.services.guard
    path = scope["path"]
    if guard is None or path in OPEN_PATHS:
        return
    caller = await guard.admit(headers.get(KEY_HEADER), headers.get("authorization"), needed(scope["method"], path))
    scope["state"]["caller"] = caller
    structlog.contextvars.bind_contextvars(caller=caller.name)


def _has_small_body(scope: Scope, headers: Headers) -> bool:
    """Uploads have limits of their own and are read as they arrive, by the routes that take them and by no other."""
    if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return False
    return not (headers.get("content-type", "").lower().startswith(FORM_TYPE) and _is_for_uploads(scope))


def _is_for_uploads(scope: Scope) -> bool:
    for route in iter_route_contexts(scope["app"].routes):
        if route.path_regex.match(scope["path"]) and scope["method"] in (route.methods or ()):
            return takes_uploads(route.openapi_extra)
    return False


async def _read(receive: Receive) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(_SMALL_BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BadUpload("The connection was closed before the body was complete.", "Send it again.")
                part: bytes = message.get("body", b"")
                body += part
                if len(body) > _SMALL_BODY:
                    raise UploadTooLarge(_SMALL_BODY)
                if not message.get("more_body", False):
                    return body
    except TimeoutError as error:
        raise UploadTimeout(
            f"The body had not arrived after {_SMALL_BODY_S:g} s.", "Send it over a faster line."
        ) from error


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed
