"""One way out for every error: RFC 9457 problem+json."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Scope
from telltale_contracts import Problem

from telltale_gateway.api.middleware import REQUEST_ID_HEADER
from telltale_gateway.errors import BadParameter, NotAuthenticated, TelltaleError

_log = logging.getLogger(__name__)

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "Any error", "content": {Problem.MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}
}

_HTTP_HINTS = {
    404: "GET /docs lists what there is.",
    405: "GET /docs says which method each path takes.",
}


def install_problem_handlers(app: FastAPI) -> None:
    """Have every error of the application answered as a problem."""

    @app.exception_handler(TelltaleError)
    async def telltale_error(request: Request, error: TelltaleError) -> Response:
        return answer(error, request.scope)

    @app.exception_handler(RequestValidationError)
    async def bad_parameter(request: Request, error: RequestValidationError) -> Response:
        detail = "; ".join(f"{e['loc'][-1]}: {e['msg']}" for e in error.errors())
        return answer(
            BadParameter(detail, "Correct or leave out what is named; GET /docs gives the ranges."), request.scope
        )

    @app.exception_handler(HTTPException)
    async def http_exception(request: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "_")
        problem = Problem(
            type=f"/errors/{code.replace('_', '-')}",
            title=phrase,
            status=error.status_code,
            detail=f"{request.method} {request.url.path[:200]}: {error.detail}",
            code=code,
            hint=_HTTP_HINTS.get(error.status_code, "GET /docs says what this endpoint takes."),
            request_id=_request_id(request),
        )
        return _answer(problem, request.scope, error.headers)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        _log.error("request %s failed: %r", _request_id(request), error)
        problem = TelltaleError(
            "The analysis failed for a reason of its own, not the media's.",
            "Try again; if it stays, report it with the request_id.",
        )
        # Starlette answers this outside every middleware, so the request's id is put on here.
        request_id = _request_id(request)
        headers = {REQUEST_ID_HEADER: request_id} if request_id else None
        return _answer(problem.problem(request_id), request.scope, headers)


def answer(error: TelltaleError, scope: Scope) -> Response:
    """The error as an answer to the request of that scope."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(error.problem(scope.get("state", {}).get("request_id")), scope, headers)


def _answer(problem: Problem, scope: Scope, headers: Mapping[str, str] | None = None) -> Response:
    scope.setdefault("state", {})["refusal"] = problem.code
    return Response(
        content=problem.model_dump_json(),
        status_code=problem.status,
        media_type=Problem.MEDIA_TYPE,
        headers=dict(headers) if headers else None,
    )


def _request_id(request: Request) -> str | None:
    return getattr(request.state, "request_id", None)
