"""What tests of several rooms share."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
