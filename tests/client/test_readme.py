"""What client/README.md shows, done as it says, against a running stack."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import clips
from tests.integration.stack import RunningStack, running_stack

README = Path(__file__).resolve().parents[2] / "client/README.md"
URL = "http://127.0.0.1:8000"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(README.read_text())
PROGRAMS = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]


@pytest.fixture(scope="module")
def stack(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    repository = shutil.copytree(toy_repository, tmp_path_factory.mktemp("readme-repository") / "model-repository")
    with running_stack(repository, tmp_path_factory.mktemp("readme-stack")) as running:
        yield running


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
def test_the_programs_run(program: str, stack: RunningStack, folder: Path) -> None:
    url = str(stack.client.base_url).rstrip("/")
    done = run(["-c", program.replace(URL, url)], folder, url)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\b(fake|real|uncertain|not_media)\b", done.stdout)


def test_the_commands_run_one_after_the_other(stack: RunningStack, folder: Path) -> None:
    url = str(stack.client.base_url).rstrip("/")
    for line in COMMANDS:
        name, *arguments = line.split()
        assert name == "telltale"
        done = run(["-m", "telltale", *arguments], folder, url)
        assert done.returncode in ({0} if "--out" in arguments or "models" in arguments else {0, 1, 2}), done.stderr
    rows = (folder / "verdicts.csv").read_text().splitlines()
    assert len(rows) == 3


def test_the_page_has_examples() -> None:
    assert len(PROGRAMS) >= 4
    assert len(COMMANDS) >= 5
