"""What there is to look at: our packages, and the files under version control."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "contracts/telltale_contracts",
    "contracts/telltale_tfserving",
    "gateway/telltale_gateway",
    "preprocess-service/telltale_preprocess",
    "local-serving/telltale_local",
    "export/telltale_export",
    "client/telltale",
)


@dataclass(frozen=True)
class Source:
    """One of our modules, parsed; `name` is its path from the root of the repository."""

    name: str
    text: str
    tree: ast.Module


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    """Every module of our packages and scripts."""
    paths = [path for package in (*PACKAGES, "scripts") for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(paths) > 50, "the packages are not where this test looks for them"
    texts = [(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]
    return [Source(name, text, ast.parse(text)) for name, text in texts]


@pytest.fixture(scope="session")
def committed() -> list[Path]:
    """Every file under version control, committed or about to be."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    if listed.returncode != 0:
        pytest.skip("not a git checkout: nothing says which files are committed")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
