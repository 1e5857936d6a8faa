"""The files that a deployment is made of, and the tools that judge them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from telltale_gateway.app import create_app
from telltale_gateway.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def routes() -> frozenset[str]:
    """Every route that the gateway describes, as `METHOD /path`."""
    settings = Settings(model_repository=Path("/models"), preprocess_url="http://preprocess-balancer:8010")
    paths = create_app(settings).openapi()["paths"]
    return frozenset(f"{method.upper()} {path}" for path, methods in paths.items() for method in methods)


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """compose.yaml."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return document


@pytest.fixture(scope="session")
def locked_tool() -> Callable[[str], Path]:
    """Finds a tool that requirements/checks.txt puts beside this interpreter."""

    def find(name: str) -> Path:
        path = Path(sys.executable).with_name(name)
        assert path.exists(), f"{name} is missing beside {sys.executable}: run `make environments`"
        return path

    return find


@pytest.fixture(scope="session")
def system_tool() -> Callable[[str, str], str]:
    """Finds a tool that no wheel carries; the test is skipped where it is not installed."""

    def find(name: str, how: str) -> str:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if found is None:
            pytest.skip(f"{name} is not installed ({how}); `make test-compose` runs this check in a container")
        return found

    return find
