"""``telltale rollout``, as it is typed: what each command asks of the gateway, and prints of its answer."""

from __future__ import annotations

import getpass
import json
from typing import Any

import pytest
from telltale.__main__ import main

from tests.client.canned import canned, problem

RECEIPT = {"detector": "toy", "action": "x", "version": 2, "done": "It was done.", "next": "Nothing follows."}


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["stage", "toy", "toy-2"], {"path": "toy-2"}),
        (["shadow", "toy", "2", "--percent", "50"], {"version": 2, "percent": 50.0}),
        (["canary", "toy", "2", "--percent", "0"], {"version": 2, "percent": 0.0}),
        (["promote", "toy", "2"], {"version": 2}),
        (["rollback", "toy"], {}),
        (["pin", "toy", "2"], {"version": 2}),
        (["drain", "toy", "2"], {"version": 2}),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
@pytest.mark.parametrize("room", ["rollout", "models"])
def test_an_order_says_who_and_why_and_prints_what_was_done_and_what_follows(
    words: list[str], asked: dict[str, Any], room: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with canned((200, RECEIPT)) as gateway:
        assert main(["--url", gateway.url, room, *words, "--why", "a test"]) == 0
    ((path, _, body),) = gateway.asked
    said = {"action": words[0], "who": getpass.getuser(), "why": "a test", "wait": False}
    assert (path, json.loads(body)) == ("/models/toy/rollout", said | asked)
    assert capsys.readouterr().out == "It was done.\nNothing follows.\n"


def test_what_the_gateway_refuses_is_said_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with canned((409, problem(409, "order_refused"))) as gateway:
        assert main(["--url", gateway.url, "rollout", "promote", "toy", "2"]) == 1
    assert capsys.readouterr().err == "It is order_refused.\nWait.\n"
