"""The OpenAPI document, as it is answered: what credentials there are, and no answer that is never given."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from telltale_contracts import Problem

from telltale_gateway.api.access import KEY_HEADER, OPEN_PATHS
from telltale_gateway.api.examples import answer_examples, problem_example

_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": KEY_HEADER},
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}
# The statuses that problems can have: of every operation, of those that ask for credentials, of those that name
# something by their path, of those that take media, of orders, of versions that are compared.
_ANY = (400, 500)
_GUARDED = (401, 403, 429, 503)
_NAMED = (404,)
_MEDIA = (408, 413, 415, 422, 503, 504)
_ORDERS = (409, 413, 422, 503, 504)
_COMPARED = (409, 422, 503, 504)


def describe(app: FastAPI) -> None:
    """Have the application describe itself so."""
    generate, examples = app.openapi, answer_examples()

    @cache
    def openapi() -> dict[str, Any]:
        document = generate()
        document["components"]["securitySchemes"] = _SCHEMES
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                # FastAPI documents a 422 of its own; ours is a problem with status 400.
                operation["responses"].pop("422", None)
                operation["responses"].pop("default", None)
                for status in _statuses(path, operation):
                    operation["responses"].setdefault(str(status), _problem(status))
                # The empty one: a gateway without keys asks for none.
                operation["security"] = [] if path in OPEN_PATHS else [{"key": []}, {"token": []}, {}]
                shown = examples.get(f"{method.upper()} {path}")
                if shown is not None:
                    operation["responses"]["200"]["content"]["application/json"]["example"] = shown
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            document["components"].get("schemas", {}).pop(unused, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _statuses(path: str, operation: dict[str, Any]) -> list[int]:
    """The statuses of the problems that an operation can answer."""
    body = operation.get("requestBody", {}).get("content", {})
    found = {
        *_ANY,
        *(() if path in OPEN_PATHS else _GUARDED),
        *(_NAMED if "{" in path else ()),
        *(_MEDIA if "multipart/form-data" in body else ()),
        *(_ORDERS if "application/json" in body else ()),
        *(_COMPARED if path.endswith("/diff") else ()),
    }
    return sorted(found)


def _problem(status: int) -> dict[str, Any]:
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": problem_example(status)}
    return {"description": HTTPStatus(status).phrase, "content": {Problem.MEDIA_TYPE: content}}
