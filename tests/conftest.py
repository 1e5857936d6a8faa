"""What tests of several rooms share."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.stack import RunningStack

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Have Ctrl-C reach what tests start: a shell starts what it puts into the background deaf to it, children too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def toy_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository of toys (tests/toys.py); read-only by agreement, copy it where a test changes it."""
    repository = tmp_path_factory.mktemp("toys") / "model-repository"
    subprocess.run([ROOT / ".venvs/models/bin/python", ROOT / "tests/toys.py", repository], check=True, timeout=120)
    return repository


@pytest.fixture(scope="session")
def toy_versions(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More versions of the toys, good and bad (tests/versions.py): a folder for each detector and kind."""
    folder = tmp_path_factory.mktemp("versions")
    command = [ROOT / ".venvs/models/bin/python", ROOT / "tests/versions.py", toy_repository, folder]
    subprocess.run(command, check=True, timeout=120)
    return folder


@pytest.fixture(scope="session")
def toy_stack(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole stack over a copy of the toys, for all tests that leave it as they found it."""
    # Only here: the environment of the models, which these fixtures serve too, has no stack.
    from tests.integration.stack import running_stack  # noqa: PLC0415

    # A copy: of several stacks over one repository only one changes what is loaded, and others' servers stay empty.
    repository = shutil.copytree(toy_repository, tmp_path_factory.mktemp("copy") / "model-repository")
    with running_stack(repository, tmp_path_factory.mktemp("stack")) as running:
        yield running
