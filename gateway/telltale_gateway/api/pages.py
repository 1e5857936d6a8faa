"""``/openapi.json``, and ``/docs`` and ``/redoc``: the same as a page, which runs nothing and loads nothing.

Nobody needs a key for them, so they are written once, and beside the event loop, which others wait for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response

PAGES = ("/docs", "/redoc")


def install_pages(app: FastAPI) -> None:
    """Have the application answer them."""
    written = _Written(app)

    async def document() -> Response:
        return Response((await written.both())[0], media_type=JSONResponse.media_type)

    async def page() -> HTMLResponse:
        return HTMLResponse((await written.both())[1])

    app.add_api_route("/openapi.json", document, include_in_schema=False)
    for path in PAGES:
        app.add_api_route(path, page, include_in_schema=False)


class _Written:
    """The document and the page, from when they are first asked for."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._writing = asyncio.Lock()
        self._both: tuple[bytes, bytes] | None = None

    async def both(self) -> tuple[bytes, bytes]:
        """The bytes of each."""
        async with self._writing:
            if self._both is None:
                self._both = await asyncio.to_thread(self._write)
            return self._both

    def _write(self) -> tuple[bytes, bytes]:
        document = self._app.openapi()
        return bytes(JSONResponse(document).body), "".join(_page(document)).encode()


def _page(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info.get('summary', ''))}</p>"
    yield '<p>For programs: <a href="openapi.json">openapi.json</a>.</p>'
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"<h2>{escape(method.upper())} {escape(path)}</h2><p>{escape(operation.get('description', ''))}</p>"
            yield from _parameters(operation)
            yield from _contents("Body", operation.get("requestBody", {}))
            for status, response in operation["responses"].items():
                yield from _contents(f"{status} {response['description']}", response)
    yield "<h2>Schemas</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield f"<h3>{escape(name)}</h3>{_json(schema)}"


def _parameters(operation: dict[str, Any]) -> Iterator[str]:
    for each in operation.get("parameters", ()):
        yield f"<h4>{escape(each['name'])} ({escape(each['in'])})</h4>{_json(each['schema'])}"


def _contents(title: str, described: dict[str, Any]) -> Iterator[str]:
    for media_type, content in described.get("content", {}).items():
        yield f"<details><summary>{escape(title)}: {escape(media_type)}</summary>{_json(content)}</details>"


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
