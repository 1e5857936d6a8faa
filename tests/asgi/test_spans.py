"""What spans tell of a request: its route, and nothing that only its sender was to know."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from telltale_asgi.spans import Discreet


async def asked(path: str) -> str:
    """The span, as it leaves, of a request to an application with one route."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Discreet(exporter)))
    app = FastAPI(telemetry={"auto_configure": False, "operation_spans": False, "tracer_provider": provider})

    @app.get("/kept/{name}")
    async def kept(name: str) -> str:
        return name

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        await client.get(path)
    (span,) = exporter.get_finished_spans()
    return str(span.to_json())


@pytest.mark.parametrize("path", ["/kept/unguessable?api_key=secret", "/elsewhere/unguessable?api_key=secret"])
def test_no_query_leaves_and_no_path(path: str) -> None:
    told = asyncio.run(asked(path))
    assert "secret" not in told
    assert "unguessable" not in told
    assert ('"url.path": "/kept/{name}"' in told) is path.startswith("/kept")
    assert '"http.request.method": "GET"' in told
