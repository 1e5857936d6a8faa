"""Who may operate: decided from the request alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.requests import Request
from telltale_gateway.api.operators import operator
from telltale_gateway.errors import OperateForbidden, OperateKeyRequired
from telltale_gateway.settings import Settings

KEY = "a key that is long enough"


def settings(key: str | None = None) -> Settings:
    return Settings.model_validate(
        {"model_repository": Path(), "preprocess_url": "http://127.0.0.1:9", "operator_key": key}
    )


def request(client: str, host: str = "127.0.0.1:8000", **headers: str) -> Request:
    sent = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Request(
        {
            "type": "http",
            "method": "POST",
            "path": "/models/toy/rollout",
            "scheme": "http",
            "query_string": b"",
            "server": ("127.0.0.1", 8000),
            "client": (client, 5000),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }
    )


def test_without_a_key_this_machine_may_and_is_named() -> None:
    assert operator(request("127.0.0.1"), settings()) == "from 127.0.0.1"


@pytest.mark.parametrize(
    "asked",
    [
        request("192.0.2.7"),
        request("127.0.0.1", host="telltale.example"),
        request("127.0.0.1", x_forwarded_for="127.0.0.1"),
        request("127.0.0.1", forwarded="for=127.0.0.1"),
    ],
)
def test_without_a_key_nobody_else_may(asked: Request) -> None:
    with pytest.raises(OperateForbidden):
        operator(asked, settings())


def test_with_a_key_whoever_sends_it_may_from_anywhere() -> None:
    assert "192.0.2.7" in operator(request("192.0.2.7", x_api_key=KEY), settings(KEY))


@pytest.mark.parametrize("headers", [{}, {"x_api_key": "wrong"}, {"x_api_key": KEY[:-1]}])
def test_with_a_key_nobody_may_without_it_not_even_this_machine(headers: dict[str, str]) -> None:
    with pytest.raises(OperateKeyRequired):
        operator(request("127.0.0.1", **headers), settings(KEY))


def test_a_short_key_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="operator_key"):
        settings("short")
