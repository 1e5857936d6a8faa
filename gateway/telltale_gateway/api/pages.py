"""``/docs`` and ``/redoc``: the OpenAPI document as a page that loads nothing from anywhere, and runs nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

PAGES = ("/docs", "/redoc")


def install_pages(app: FastAPI) -> None:
    """Have the application answer them; they are written once, when first asked for."""

    @cache
    def written() -> bytes:
        return "".join(_page(app.openapi())).encode()

    async def page() -> HTMLResponse:
        return HTMLResponse(written())

    for path in PAGES:
        app.add_api_route(path, page, include_in_schema=False)


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
