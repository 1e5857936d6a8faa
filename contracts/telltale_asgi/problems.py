"""One way out for every error: RFC 9457 problem+json."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol, runtime_checkable

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from telltale_contracts import Problem

from telltale_asgi.requests import request_id_of

_log = structlog.stdlib.get_logger("telltale_asgi.problems")


@runtime_checkable
class Answerable(Protocol):
    """An error that knows what it answers."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the answer's headers say beside the problem."""
        ...

    def problem(self, request_id: str | None) -> Problem:
        """This error as RFC 9457 problem details."""
        ...


def answer(error: Answerable, scope: Scope) -> Response:
    """The error as an answer to the request of that scope."""
    return answer_problem(error.problem(request_id_of(scope)), scope, error.headers)


def answer_problem(problem: Problem, scope: Scope, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as an answer to the request of that scope, whose line in the log will name its code."""
    scope.setdefault("state", {})["refusal"] = problem.code
    return Response(problem.model_dump_json(), problem.status, dict(headers or {}), Problem.MEDIA_TYPE)


def install_problem_handlers(
    app: Starlette, kind: type[Exception], hints: Mapping[int, str], *, no_room: Answerable
) -> None:
    """Answer the application's own errors, all of a ``kind`` that is Answerable, and Starlette's; faults are another's.

    ``hints``: what to do about Starlette's errors, by status. ``no_room``: what is answered where a file cannot grow.
    """

    async def own(request: Request, error: Exception) -> Response:
        if not isinstance(error, Answerable):
            raise error
        return answer(error, request.scope)

    async def http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        phrase = HTTPStatus(error.status_code).phrase
        problem = Problem.of(
            code=phrase.lower().replace(" ", "_"),
            title=phrase,
            status=error.status_code,
            detail=f"{request.method[:20]} {request.url.path[:200]}: {error.detail}",
            hint=hints.get(error.status_code, "GET /openapi.json says what this path takes."),
            request_id=request_id_of(request.scope),
        )
        return answer_problem(problem, request.scope, error.headers)

    # Not caught where files are written: the stream says it again when it is closed, and that hides what was raised.
    async def full(request: Request, error: Exception) -> Response:
        if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise error
        _log.warning("no room is left for a file", error=str(error))
        return answer(no_room, request.scope)

    app.add_exception_handler(kind, own)
    app.add_exception_handler(OSError, full)
    app.add_exception_handler(HTTPException, http)


class Faults:
    """Answers what nobody foresaw, from within the other middleware, whose headers and counts it then has too."""

    def __init__(self, app: ASGIApp, *, fault: Answerable) -> None:
        self._app = app
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log an exception and answer it; one that comes after the answer has begun breaks it off."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if begun:
                raise
            _log.error("a request failed by a fault of ours", exc_info=error)
            await answer(self._fault, scope)(scope, receive, send)
