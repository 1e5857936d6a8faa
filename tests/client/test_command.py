"""``telltale predict``, as it is typed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
from telltale import AsyncDetector, Verdict
from telltale.__main__ import main

from tests.client.canned import VERDICT, canned, problem, verdict


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.png", "below/c.wav", ".hidden/d.mp4", ".e"):
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "media"


@pytest.mark.parametrize(("label", "status"), [("real", 0), ("fake", 1), ("uncertain", 2)])
@pytest.mark.parametrize(
    "words", [[], ["--json"], ["--csv"], ["--json", "--out", "out"], ["--csv", "--out", "out"]], ids=" ".join
)
def test_of_one_file_the_exit_status_is_the_verdict(
    folder: Path, label: str, status: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder.parent / "out"
    words = [str(out) if word == "out" else word for word in words]
    with canned((200, verdict(label=label))) as gateway:
        assert main(["--url", gateway.url, "predict", *words, str(folder / "a.mp4")]) == status
    printed = capsys.readouterr().out
    said = out.read_text() if "--out" in words else printed
    assert (label if words else f"{label.upper()}  P(fake) = 0.900") in said


def test_of_several_files_it_is_zero_when_all_were_answered(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with canned((200, VERDICT)) as gateway:
        assert main(["--url", gateway.url, "predict", "--json", "--recursive", str(folder)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["path"] for line in lines} == {str(folder / name) for name in ("a.mp4", "b.png", "below/c.wav")}
    assert all(line["detectors"][0]["name"] == "face-blend" for line in lines)


def test_one_that_could_not_be_answered_is_named_and_the_others_are_answered(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with canned((415, problem(415, "not_media")), (200, VERDICT)) as gateway:
        assert main(["--url", gateway.url, "predict", "--csv", "--jobs", "1", "--recursive", str(folder)]) == 3
    said = capsys.readouterr()
    rows = {Path(row["path"]).name: row for row in csv.DictReader(said.out.splitlines())}
    assert len(rows) == 3
    assert sorted(row["label"] for row in rows.values()) == ["", "fake", "fake"]
    assert "It is not_media. Wait." in said.err


@pytest.mark.parametrize(
    "arguments", [["media"], ["nowhere"], ["--resume", "media/a.mp4"], [], ["--json", "--csv", "x"]]
)
def test_a_command_line_that_is_wrong_is_not_mistaken_for_a_verdict(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder.parent)
    try:
        status = main(["predict", *arguments])
    except SystemExit as left:
        status = int(left.code or 0)
    assert status == 64
    assert capsys.readouterr().err


@pytest.mark.parametrize("shape", ["json", "csv"])
def test_what_was_interrupted_goes_on_where_it_was(folder: Path, tmp_path: Path, shape: str) -> None:
    out = tmp_path / "out"
    command = ["predict", f"--{shape}", "--jobs", "1", "--recursive", str(folder), "--out", str(out)]
    with canned((200, VERDICT), (500, problem(500, "internal_error")), (200, VERDICT)) as gateway:
        assert main(["--url", gateway.url, *command]) == 3
        assert len(gateway.asked) == 3
    with out.open("a") as stream:
        stream.write('{"path": "half a li')  # as a kill leaves it
    with canned((200, VERDICT)) as gateway:
        assert main(["--url", gateway.url, *command]) == 64
        assert main(["--url", gateway.url, *command, "--resume"]) == 0
        assert len(gateway.asked) == 1
        assert main(["--url", gateway.url, *command, "--resume"]) == 0
        assert len(gateway.asked) == 1
    text = out.read_text()
    rows = [*csv.DictReader(text.splitlines())] if shape == "csv" else [json.loads(each) for each in text.splitlines()]
    assert len(rows) == 4
    assert len({row["path"] for row in rows if row.get("label") == "fake"}) == 3


def test_of_one_file_that_is_answered_already_the_exit_status_is_still_the_verdict(
    folder: Path, tmp_path: Path
) -> None:
    command = ["predict", str(folder / "a.mp4"), "--out", str(tmp_path / "out"), "--resume"]
    with canned((200, verdict(label="uncertain"))) as gateway:
        assert main(["--url", gateway.url, *command]) == 2
        assert main(["--url", gateway.url, *command]) == 2
        assert len(gateway.asked) == 1


def test_the_command_is_a_program_that_takes_its_key_from_the_environment(folder: Path) -> None:
    with canned((200, VERDICT)) as gateway:
        environment = {**os.environ, "TELLTALE_URL": gateway.url, "TELLTALE_API_KEY": "tt_key"}
        done = subprocess.run(
            [sys.executable, "-m", "telltale", "predict", str(folder / "a.mp4"), str(folder / "b.png")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""
    assert {headers["X-API-Key"] for _, headers, _ in gateway.asked} == {"tt_key"}


def test_names_that_are_no_text_and_what_a_terminal_would_obey_are_answered_and_written_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [b"no\xffutf8.mp4", b"red\x1b[31m.mp4"]
    paths = [os.fsdecode(os.fsencode(tmp_path) + b"/" + name) for name in names]
    for path in paths:
        Path(path).write_bytes(b"media")
    with canned((200, verdict(label="real"))) as gateway:
        assert [main(["--url", gateway.url, "predict", path]) for path in paths] == [0, 0]
    said = capsys.readouterr().out
    assert "no\\udcffutf8.mp4: REAL" in said
    assert "red\\x1b[31m.mp4: REAL" in said
    with canned((415, problem(415, "not_media")), (200, VERDICT)) as gateway:
        assert main(["--url", gateway.url, "predict", "--json", "--jobs", "1", *paths]) == 3
    said_again = capsys.readouterr()
    assert {json.loads(line)["path"] for line in said_again.out.splitlines()} == set(paths)
    assert "\x1b" not in said_again.err


@pytest.mark.parametrize("shape", [[], ["--csv"]])
def test_a_name_that_is_no_text_does_not_end_the_program(tmp_path: Path, shape: list[str]) -> None:
    path = os.fsencode(tmp_path) + b"/no\xffutf8.mp4"
    Path(os.fsdecode(path)).write_bytes(b"media")
    with canned((200, VERDICT)) as gateway:
        command: list[str | bytes] = [sys.executable, "-m", "telltale", "--url", gateway.url, "predict", *shape, path]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"utf8.mp4" in done.stdout


def test_what_is_no_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert main(["predict", str(pipe)]) == 64
    assert main(["predict", "/dev/null"]) == 64
    assert "is not a file" in capsys.readouterr().err


def test_whatever_fails_is_not_mistaken_for_a_verdict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", "http://[::1", "predict", str(folder / "a.mp4")]) == 3
    assert "Traceback" not in capsys.readouterr().err


def test_one_file_that_breaks_us_does_not_end_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = AsyncDetector.predict

    async def breaking(self: AsyncDetector, media: Path, **how: Any) -> Any:
        if media.name == "a.mp4":
            raise RuntimeError("of our own")
        return await asked(self, media, **how)

    monkeypatch.setattr(AsyncDetector, "predict", breaking)
    out = folder.parent / "out"
    with canned((200, VERDICT)) as gateway:
        assert main(["--url", gateway.url, "predict", "--recursive", str(folder), "--out", str(out)]) == 3
        assert len(gateway.asked) == 2
    (failed,) = [each for each in map(json.loads, out.read_text().splitlines()) if "error" in each]
    assert failed["error"] == "RuntimeError: of our own"


def test_a_folder_is_never_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (tmp_path / f"{number}.mp4").write_bytes(b"media")
    asked = AsyncDetector.predict
    given: list[weakref.ref[Verdict]] = []
    held: list[int] = []

    async def counting(self: AsyncDetector, media: Path, **how: Any) -> Verdict:
        found = await asked(self, media, **how)
        held.append(sum(each() is not None for each in given))
        given.append(weakref.ref(found))
        return found

    monkeypatch.setattr(AsyncDetector, "predict", counting)
    with canned((200, VERDICT)) as gateway:
        words = ["predict", "--recursive", str(tmp_path), "--out", str(tmp_path / "out"), "--jobs", "2"]
        assert main(["--url", gateway.url, *words]) == 0
    assert len(given) == 30
    assert max(held) <= 4
