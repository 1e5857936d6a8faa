"""What client/README.md and the front page show, done as they say, against a running stack."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import clips
from tests.integration.stack import RunningStack

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "client/README.md"
URL = "http://127.0.0.1:8000"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(README.read_text())
PROGRAMS = [text for language, text in BLOCKS if language == "python"]
ASKED = re.findall(r"^    (curl .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples' files are."""
    place = tmp_path_factory.mktemp("readme")
    clips.write_video(place / "clip.mp4", clips.portrait())
    clips.write_picture(place / "still.png", clips.portrait())
    return place


def run(arguments: list[str], folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run Python in that folder, and see that nothing outlives it."""
    before = set(psutil.Process().children(recursive=True))
    environment = {**os.environ, "TELLTALE_URL": url}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert set(psutil.Process().children(recursive=True)) <= before
    return done


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_the_programs_run(program: str, toy_stack: RunningStack, folder: Path) -> None:
    url = str(toy_stack.client.base_url).rstrip("/")
    done = run(["-c", program.replace(URL, url)], folder, url)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\b(fake|real|uncertain|not_media)\b", done.stdout)


def test_the_commands_run_one_after_the_other(toy_stack: RunningStack, folder: Path) -> None:
    url = str(toy_stack.client.base_url).rstrip("/")
    for line in COMMANDS:
        name, *arguments = line.split()
        assert name == "telltale"
        done = run(["-m", "telltale", *arguments], folder, url)
        assert done.returncode in ({0} if "--out" in arguments or "models" in arguments else {0, 1, 2}), done.stderr
    rows = (folder / "verdicts.csv").read_text().splitlines()
    assert len(rows) == 3


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("line", ASKED)
def test_what_the_front_page_asks_is_answered(line: str, toy_stack: RunningStack, folder: Path) -> None:
    url = str(toy_stack.client.base_url).rstrip("/")
    command = shlex.split(line.replace(URL, url).replace(".cache/samples/forged.mp4", "clip.mp4"))
    done = subprocess.run([*command, "--fail", "--silent"], cwd=folder, capture_output=True, check=True, timeout=100)
    answer = (folder / "drawn.mp4").read_bytes() if "-o" in command else done.stdout
    assert b'"label"' in answer or b"ftyp" in answer[:16]


def test_the_page_has_examples() -> None:
    assert len(ASKED) >= 2
    assert len(PROGRAMS) >= 4
    assert len(COMMANDS) >= 5
