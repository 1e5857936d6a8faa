"""Every error as problem+json, the framework's own included."""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from telltale_contracts import Problem

from telltale_preprocess.api.request_id import HEADER, request_id_of
from telltale_preprocess.errors import Busy, PreprocessError, ProcessingFailed, WorkersLost

_log = logging.getLogger("telltale.preprocess.api")
_RETRY_AFTER_S = "2"
_HINTS = {
    404: "The service answers POST /bundle, POST /render, GET /health and GET /metrics.",
    405: "Use the method that the Allow header names.",
}


def install_problem_handlers(app: FastAPI) -> None:
    """Answer each kind of error with a Problem."""
    app.add_exception_handler(PreprocessError, _preprocess_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _preprocess_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, PreprocessError):
        raise error
    return _refusal(request, error, {"Retry-After": _RETRY_AFTER_S} if isinstance(error, Busy | WorkersLost) else {})


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    title = http.HTTPStatus(error.status_code).phrase
    code = title.lower().replace(" ", "_")
    problem = Problem(
        type=_type(code),
        title=title,
        status=error.status_code,
        detail=f"{request.method} {request.url.path}: {error.detail}.",
        code=code,
        hint=_HINTS.get(error.status_code, "See the detail."),
        request_id=request_id_of(request.scope),
    )
    return _answer(problem, error.headers or {})


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("request %s failed", request_id_of(request.scope), exc_info=error)
    # The outermost handler runs outside the middleware that adds the header.
    headers = {HEADER: request_id_of(request.scope)}
    return _refusal(request, ProcessingFailed(f"{type(error).__name__} in the service."), headers)


def _refusal(request: Request, error: PreprocessError, headers: Mapping[str, str]) -> Response:
    problem = Problem(
        type=_type(error.code),
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        hint=error.hint,
        request_id=request_id_of(request.scope),
    )
    return _answer(problem, headers)


def _type(code: str) -> str:
    return f"/errors/{code.replace('_', '-')}"


def _answer(problem: Problem, headers: Mapping[str, str]) -> Response:
    return Response(problem.model_dump_json(), problem.status, dict(headers), Problem.MEDIA_TYPE)
