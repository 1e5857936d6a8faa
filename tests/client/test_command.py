"""``telltale predict``, as it is typed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
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
def test_of_one_file_the_exit_status_is_the_verdict(
    folder: Path, label: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with canned((200, verdict(label=label))) as gateway:
        assert main(["--url", gateway.url, "predict", str(folder / "a.mp4")]) == status
    assert f"{label.upper()}  P(fake) = 0.900" in capsys.readouterr().out


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
