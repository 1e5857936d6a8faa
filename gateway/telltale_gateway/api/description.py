"""The OpenAPI document, as it is answered: what credentials there are, and no answer that is never given."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from telltale_gateway.api.access import KEY_HEADER, OPEN_PATHS

_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": KEY_HEADER},
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}


def describe(app: FastAPI) -> None:
    """Have the application describe itself so."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        document["components"]["securitySchemes"] = _SCHEMES
        for path, operations in document["paths"].items():
            for operation in operations.values():
                # FastAPI documents a 422 of its own; ours is a problem with status 400.
                operation["responses"].pop("422", None)
                # The empty one: a gateway without keys asks for none.
                operation["security"] = [] if path in OPEN_PATHS else [{"key": []}, {"token": []}, {}]
        for unused in ("HTTPValidationError", "ValidationError"):
            document["components"].get("schemas", {}).pop(unused, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
