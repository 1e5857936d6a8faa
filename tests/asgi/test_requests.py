"""What every service does with a request, whatever becomes of it: an application of a few lines behind it all."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs
from telltale_asgi.problems import Faults, install_problem_handlers
from telltale_asgi.requests import RequestContext
from telltale_contracts import Problem


class Refusal(Exception):
    """An error that knows what it answers."""

    headers = {"Retry-After": "7"}  # noqa: RUF012 read only

    def problem(self, request_id: str | None) -> Problem:
        return Problem.of(code="no_way", title="No", status=418, detail="no", hint="none", request_id=request_id)


async def refuse(_: Request) -> Response:
    raise Refusal


async def fail(_: Request) -> Response:
    raise ValueError("a secret")


async def break_off(_: Request) -> Response:
    async def pieces():  # type: ignore[no-untyped-def]
        yield b"a"
        raise ValueError("too late")

    return StreamingResponse(pieces())


async def fine(_: Request) -> Response:
    return PlainTextResponse("fine")


def ask(path: str, **headers: str) -> httpx.Response:
    """One request to the application."""
    paths = {"/refuse": refuse, "/fail": fail, "/break": break_off, "/fine/{name}": fine, "/ping": fine}
    app = Starlette(routes=[Route(path, endpoint) for path, endpoint in paths.items()])
    install_problem_handlers(app, Refusal, {404: "look elsewhere"}, no_room=Refusal())
    app.add_middleware(Faults, fault=Refusal())
    app.add_middleware(RequestContext, logger="requests")

    async def once() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(once())


def test_an_error_that_knows_what_it_answers_is_answered_so() -> None:
    response = ask("/refuse")
    assert (response.status_code, response.headers["Retry-After"]) == (418, "7")
    assert Problem.model_validate_json(response.content).request_id == response.headers["X-Request-ID"]
    assert ask("/nowhere").json()["hint"] == "look elsewhere"


def test_what_nobody_foresaw_is_a_problem_with_an_id_and_tells_nothing() -> None:
    response = ask("/fail", **{"X-Request-ID": "r-1"})
    assert response.headers["X-Request-ID"] == response.json()["request_id"] == "r-1"
    assert "secret" not in response.text


def test_what_fails_after_its_answer_has_begun_is_broken_off() -> None:
    with pytest.raises(ValueError, match="too late"):
        ask("/break")


def test_every_request_leaves_a_line_and_probes_one_that_is_not_looked_at() -> None:
    with capture_logs() as told:
        for path in ("/fine/of-a-secret-name?key=secret", "/ping", "/refuse"):
            ask(path)
    assert [(line["log_level"], line["route"], line["status"], line["code"]) for line in told] == [
        ("info", "/fine/{name}", 200, None),
        ("debug", "/ping", 200, None),
        ("info", "/refuse", 418, "no_way"),
    ]
    assert "secret" not in str(told)
