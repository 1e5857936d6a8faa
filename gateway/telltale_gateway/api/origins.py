"""Which pages of other origins may ask (CORS); who may not is answered a problem, as for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from telltale_asgi.problems import answer
from telltale_asgi.requests import REQUEST_ID_HEADER

from telltale_gateway.api.access import KEY_HEADER
from telltale_gateway.errors import NotAllowed

_METHODS = ("GET", "POST")
_HEADERS = ("Authorization", KEY_HEADER, REQUEST_ID_HEADER)
_HINT = f"TELLTALE_CORS_ORIGINS names the origins; they may use {', '.join(_METHODS)} and {', '.join(_HEADERS)}."


class Origins(CORSMiddleware):
    """Starlette's, but for what is refused before the request itself (preflight), which it answers as plain text."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_HEADERS,
            expose_headers=["Retry-After", REQUEST_ID_HEADER],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if scope["type"] == "http" and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            response = self.preflight_response(headers)
            if response.status_code != HTTPStatus.OK:
                detail = f"{bytes(response.body).decode()} for {headers.get('origin', 'no origin')[:200]}."
                response = answer(NotAllowed(detail, _HINT), scope)
                response.headers["Vary"] = "Origin"
            await response(scope, receive, send)
            return
        await super().__call__(scope, receive, send)
