"""Ctrl-C, as a terminal sends it: one line, status 130, and what is written stays whole."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.client.canned import VERDICT, Canned, canned


@contextmanager
def holding(answered: int) -> Iterator[tuple[Canned, threading.Event, threading.Event]]:
    """A gateway that answers that many, and says when the next is waiting."""
    waiting, let_go = threading.Event(), threading.Event()
    with canned((200, VERDICT)) as gateway:
        given = gateway.next

        def following(path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, str | None]:
            if len(gateway.asked) >= answered:
                waiting.set()
                let_go.wait(60)
            return given(path, headers, body)

        gateway.next = following  # type: ignore[method-assign]
        try:
            yield gateway, waiting, let_go
        finally:
            let_go.set()


def interrupt(arguments: list[str], url: str, waiting: threading.Event) -> tuple[int, str, str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "telltale", *arguments],
        env={**os.environ, "TELLTALE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert waiting.wait(60)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out, error


@pytest.mark.parametrize("shape", ["csv", "json"])
def test_of_a_folder(tmp_path: Path, shape: str) -> None:
    media, out = tmp_path / "media", tmp_path / "out"
    media.mkdir()
    for number in range(6):
        (media / f"{number}\n.mp4").write_bytes(b"media")
    words = ["predict", f"--{shape}", "--recursive", str(media), "--out", str(out)]
    with holding(3) as (gateway, waiting, let_go):
        status, printed, error = interrupt([*words, "--jobs", "1"], gateway.url, waiting)
        assert not let_go.is_set(), "it did not wait for answers that it no longer wants"
    assert (status, printed) == (130, "")
    assert len(error.splitlines()) == 1
    assert "3 of 6" in error
    assert "--resume" in error
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream)) if shape == "csv" else [json.loads(line) for line in stream]
    assert [row["label"] for row in rows] == ["fake"] * 3
    assert out.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("words", [["predict"], ["predict", "--csv"], ["models", "status"]], ids=" ".join)
def test_of_one_question(tmp_path: Path, words: list[str]) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"media")
    with holding(0) as (gateway, waiting, _):
        status, _, error = interrupt([*words, *([str(clip)] if words[0] == "predict" else [])], gateway.url, waiting)
    assert (status, len(error.splitlines())) == (130, 1)
    assert error.startswith("Interrupted")


def test_while_it_waits_to_ask_again(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"media")
    asked = threading.Event()
    with canned((503, {"detail": "x", "hint": "y", "code": "busy"}, "60")) as gateway:
        given = gateway.next

        def following(path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, str | None]:
            asked.set()
            return given(path, headers, body)

        gateway.next = following  # type: ignore[method-assign]
        status, _, error = interrupt(["predict", str(clip)], gateway.url, asked)
    assert (status, len(error.splitlines())) == (130, 1)
