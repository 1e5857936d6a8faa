"""Every error as problem+json, the framework's own included."""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from telltale_contracts import Problem

from telltale_preprocess.api.request_id import HEADER, request_id_of
from telltale_preprocess.errors import Busy, PreprocessError, ProcessingFailed

_log = logging.getLogger("telltale.preprocess.api")
_RETRY_AFTER_S = "2"
_HINTS = {
    404: "The service answers POST /bundle, GET /health and GET /metrics.",
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
    headers = {"Retry-After": _RETRY_AFTER_S} if isinstance(error, Busy) else {}
    return _answer(request, error.status, error.code, error.title, error.detail, error.hint, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    title = http.HTTPStatus(error.status_code).phrase
    code = title.lower().replace(" ", "_")
    hint = _HINTS.get(error.status_code, "See the detail.")
    return _answer(
        request,
        error.status_code,
        code,
        title,
        f"{request.method} {request.url.path}: {error.detail}.",
        hint,
        error.headers,
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("request %s failed", request_id_of(request.scope), exc_info=error)
    fault = ProcessingFailed(f"{type(error).__name__} in the service.")
    # The outermost handler runs outside the middleware that adds the header.
    headers = {HEADER: request_id_of(request.scope)}
    return _answer(request, fault.status, fault.code, fault.title, fault.detail, fault.hint, headers)


def _answer(
    request: Request,
    status: int,
    code: str,
    title: str,
    detail: str,
    hint: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(
        type=f"/errors/{code.replace('_', '-')}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        request_id=request_id_of(request.scope),
    )
    return Response(problem.model_dump_json(), status, dict(headers or {}), Problem.MEDIA_TYPE)
