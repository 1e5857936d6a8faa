"""What the commands say of servers that are not Telltale: what came, why that will not do, and what to do."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from telltale.__main__ import main

from tests.client.canned import canned

COMMANDS = [
    ["models", "status"],
    ["models", "status", "toy"],
    ["models", "history", "toy"],
    ["models", "diff", "toy", "1", "2"],
    ["models", "rollback", "toy"],
    ["predict", "clip.mp4"],
]
ANSWERS: list[tuple[int, Any]] = [
    (200, "<html>hello</html>"),
    (200, ""),
    (200, {"status": "ok"}),
    (200, ["a", "b"]),
    (200, [{"name": "toy"}]),
    (200, 7),
    (404, "<html>no such page</html>"),
    (302, ""),
    (404, {"title": "a problem of another API", "status": 404}),
    (404, ["no", "problem"]),
]


@pytest.fixture
def _clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip.mp4").write_bytes(b"media")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(("status", "said"), ANSWERS)
@pytest.mark.usefixtures("_clip")
def test_it_is_said_what_came_why_it_will_not_do_and_what_to_do(
    words: list[str], status: int, said: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with canned((status, said)) as server:
        assert main(["--url", server.url, *words]) == (3 if words[0] == "predict" else 1)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert server.url in printed.err
    assert "Telltale gateway" in printed.err
    assert "Check the URL" in printed.err
    for name in ("Error", "Traceback", "Expecting value", "Unexpected"):
        assert name not in printed.err


@pytest.mark.usefixtures("_clip")
@pytest.mark.parametrize("words", [["models", "status"], ["predict", "clip.mp4"]], ids=" ".join)
def test_a_server_that_hangs_up_is_said_to_have_done_so(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert main(["--url", url, *words]) == (3 if words[0] == "predict" else 1)
        thread.join()
    said = capsys.readouterr().err
    assert f"{url} hung up without an answer" in said
    assert "Is a Telltale gateway running there?" in said
