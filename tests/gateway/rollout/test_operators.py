"""Who may operate: decided from the request alone."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from telltale_gateway.api.operators import operator
from telltale_gateway.errors import NotAllowed
from telltale_gateway.security import Caller


def request(client: str, host: str = "127.0.0.1:8000", caller: Caller | None = None, **headers: str) -> Request:
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
            "state": {"caller": caller},
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }
    )


def test_where_nobody_is_asked_who_he_is_this_machine_may_and_is_named() -> None:
    assert operator(request("127.0.0.1")) == "from 127.0.0.1"


@pytest.mark.parametrize(
    "asked",
    [
        request("192.0.2.7"),
        request("127.0.0.1", host="telltale.example"),
        request("127.0.0.1", x_forwarded_for="127.0.0.1"),
        request("127.0.0.1", forwarded="for=127.0.0.1"),
    ],
)
def test_where_nobody_is_asked_who_he_is_nobody_else_may(asked: Request) -> None:
    with pytest.raises(NotAllowed):
        operator(asked)


def test_whoever_has_the_scope_may_from_anywhere() -> None:
    caller = Caller("key tt_01234567 (ops)", frozenset({"operate"}), 1)
    assert operator(request("192.0.2.7", caller=caller)) == "with key tt_01234567 (ops) from 192.0.2.7"


def test_whoever_lacks_it_may_not_not_even_on_this_machine() -> None:
    with pytest.raises(NotAllowed):
        operator(request("127.0.0.1", caller=Caller("key", frozenset({"analyse"}), 1)))
