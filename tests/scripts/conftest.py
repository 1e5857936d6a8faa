"""Set-up scripts are run as a person runs them, against an index that is only a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The folder in which pip finds its wheels."""
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


@pytest.fixture
def offline(shop: Path) -> dict[str, str]:
    """An environment in which pip knows nothing but `shop`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return {**kept, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shop), "PIP_CONFIG_FILE": os.devnull}
