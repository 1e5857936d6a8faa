"""The OpenAPI document: every status by name, with an example; and the fault that nobody foresaw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from fastapi import FastAPI
from telltale_contracts import Problem
from telltale_gateway.app import create_app
from telltale_gateway.services import Services
from telltale_gateway.settings import Settings
from telltale_gateway.telemetry import Telemetry

PARTS = SimpleNamespace(guard=None, telemetry=Telemetry())


@asynccontextmanager
async def broken(_: Settings) -> AsyncIterator[Services]:
    """Services of which nearly every part is missing."""
    yield cast("Services", PARTS)


@pytest.fixture
def app() -> FastAPI:
    settings = Settings(model_repository=Path("nowhere"), preprocess_url="http://127.0.0.1:9")
    return create_app(settings, broken)


async def get(app: FastAPI, path: str) -> httpx.Response:
    """What the application answers, where its services are none."""
    app.state.services = PARTS
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.get(path)


def test_no_operation_describes_any_status_there_is(app: FastAPI) -> None:
    document = app.openapi()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            statuses = set(operation["responses"])
            assert {"400", "500"} <= statuses, path
            assert all(status.isdigit() for status in statuses), path
    assert "404" not in document["paths"]["/predict"]["post"]["responses"]
    assert "415" not in document["paths"]["/models"]["get"]["responses"]


def test_examples_are_what_they_are_examples_of(app: FastAPI) -> None:
    for path, operations in app.openapi()["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                shown = response.get("content", {}).get(Problem.MEDIA_TYPE)
                assert shown is None or Problem.model_validate(shown["example"]).status == int(status), path


def test_every_view_shows_an_answer(app: FastAPI) -> None:
    shown = set()
    for path, operations in app.openapi()["paths"].items():
        for operation in operations.values():
            answer = operation["responses"]["200"].get("content", {}).get("application/json", {})
            if {"views", "analysis"} & set(operation["tags"]) and answer:
                assert answer.get("example"), path
                shown.add(path)
    assert {"/predict", "/predict_video", "/info", "/detect/audio", "/analyze/comprehensive", "/config"} <= shown


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_pages_show_all_of_it_and_load_nothing(app: FastAPI, path: str) -> None:
    answer = asyncio.run(get(app, path))
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'; default-src 'none'"
    assert answer.headers["Content-Type"].startswith("text/html")
    for loaded in ("<script", "<link", "<img", "src=", "@import"):
        assert loaded not in answer.text
    for described, operations in app.openapi()["paths"].items():
        assert all(f"<h2>{method.upper()} {described}</h2>" in answer.text for method in operations)
    assert "voice-vocoder 1 gives 0.22 over 1 item" in answer.text


def test_the_pages_and_the_document_are_written_once(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [asyncio.run(get(app, path)) for path in ("/docs", "/redoc", "/openapi.json")]
    for name in ("pages._page", "description._statuses"):
        monkeypatch.delattr(f"telltale_gateway.api.{name}")
    again = [asyncio.run(get(app, path)) for path in ("/docs", "/redoc", "/openapi.json")]
    assert [answer.content for answer in again] == [answer.content for answer in first]


def test_a_fault_of_ours_is_a_problem_that_gives_nothing_away(app: FastAPI) -> None:
    answer = asyncio.run(get(app, "/info"))
    problem = Problem.model_validate_json(answer.content)
    assert (answer.status_code, problem.code) == (500, "internal_error")
    assert problem.request_id == answer.headers["X-Request-ID"]
    assert "reconciler" not in answer.text
