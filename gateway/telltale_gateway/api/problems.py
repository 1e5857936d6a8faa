"""The gateway's errors as answers: its own, those of its parameters, and Starlette's."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from telltale_asgi.problems import answer, install_problem_handlers
from telltale_contracts import Problem

from telltale_gateway.errors import BadParameter, NoRoom, TelltaleError

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "Any error", "content": {Problem.MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}
}

_HINTS = {
    400: "Send the JSON that GET /docs describes.",
    404: "GET /docs lists what there is; no path ends in a slash.",
    405: "GET /docs says which method each path takes.",
}
FAULT = TelltaleError(
    "The request failed for a reason of the gateway's own.",
    "Try again; if it stays, report it with the request_id.",
)
"""What is answered to a request that failed for a reason that nobody foresaw."""


_NO_ROOM = NoRoom(
    "There is no room left here for the upload, or for what is made of it.",
    "Send the same request again after the seconds in Retry-After, when others are done.",
    retry_after_s=5,
)


def install_gateway_problems(app: FastAPI) -> None:
    """Have every error of the application answered as a problem."""
    install_problem_handlers(app, TelltaleError, _HINTS, no_room=_NO_ROOM)

    @app.exception_handler(RequestValidationError)
    async def bad_parameter(request: Request, error: RequestValidationError) -> Response:
        # The last step may be a place in a list or in the text.
        detail = "; ".join(f"{[n for n in e['loc'] if isinstance(n, str)][-1]}: {e['msg']}" for e in error.errors())
        return answer(
            BadParameter(detail, "Correct or leave out what is named; GET /docs gives the ranges."), request.scope
        )
