"""Which gateway a command asks, wherever --url stands, and with which credential of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from telltale import Gateway
from telltale.__main__ import main

from tests.client.canned import VERDICT, canned

EVENTS: list[Any] = []


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, list[str]]:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"media")
    return {"predict": ["predict", str(clip)], "models": ["models", "history", "toy"]}


def answer(room: str) -> Any:
    return {**VERDICT, "label": "real"} if room == "predict" else EVENTS


both = pytest.mark.parametrize("room", ["predict", "models"])


@both
@pytest.mark.parametrize(
    ("variable", "header", "sent"),
    [("TELLTALE_API_KEY", "X-API-Key", "a.b.c"), ("TELLTALE_TOKEN", "Authorization", "Bearer a.b.c")],
)
def test_the_credential_of_the_environment_is_sent(
    room: str, variable: str, header: str, sent: str, commands: dict[str, list[str]]
) -> None:
    with pytest.MonkeyPatch.context() as environment, canned((200, answer(room))) as gateway:
        environment.setenv(variable, "a.b.c")
        assert main(["--url", gateway.url, *commands[room]]) == 0
    ((_, headers, _),) = gateway.asked
    assert headers[header] == sent


@both
def test_two_credentials_are_one_too_many(
    room: str, commands: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELLTALE_API_KEY", "tt_key")
    monkeypatch.setenv("TELLTALE_TOKEN", "ey.token")
    with canned((200, answer(room))) as gateway:
        assert main(["--url", gateway.url, *commands[room]]) == 64
    assert gateway.asked == []
    said = capsys.readouterr().err
    assert "TELLTALE_API_KEY and TELLTALE_TOKEN" in said
    assert "unset" in said.lower()


def test_one_credential_is_enough_for_operators_too() -> None:
    with pytest.raises(ValueError, match="not both"):
        Gateway("http://127.0.0.1:1", "a", token="b")  # noqa: S106


@both
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_the_url_may_stand_anywhere(
    room: str, place: int, commands: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELLTALE_URL", "http://127.0.0.1:1")
    words = commands[room]
    place = min(place, len(words))
    with canned((200, answer(room))) as gateway:
        assert main([*words[:place], "--url", gateway.url, *words[place:]]) == 0
        assert len(gateway.asked) == 1
        monkeypatch.setenv("TELLTALE_URL", gateway.url)
        assert main(words) == 0
        assert len(gateway.asked) == 2
