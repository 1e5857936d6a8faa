"""Lock files and pins: everything by hash, and what runs in a service is in its lock, not in that of the checks."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from .conftest import PACKAGES, Source

LOCKS = ("services", "gateway", "preprocess", "checks", "triton", "models", "torch", "torch-cpu", "bench", "tools")
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)")
SERVICES = tuple(package for package in PACKAGES if not package.startswith("export/"))
# What the models environment has and the services' has not, by the name of its module.
IN_MODELS = {name: [name] for name in ("keras", "onnx", "onnxruntime", "torch", "tqdm")} | {
    "tensorflow": ["tensorflow-cpu"]
}
# The stub brings it.
INSIDE_TRITON = {"triton_python_backend_utils"}


def _requirements(lock: Path) -> list[str]:
    """The requirements of a lock file, one logical line each, comments left out."""
    lines = [line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]
    return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


def _pins(lock: Path) -> dict[str, str]:
    matches = [PIN.match(line) for line in _requirements(lock)]
    return {_canonical(m[1]): m[2] for m in matches if m}


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_by_version_and_hash(root: Path, name: str) -> None:
    requirements = _requirements(root / "requirements" / f"{name}.txt")
    assert requirements
    loose = [line for line in requirements if not PIN.match(line) or not re.search(r"--hash=sha256:[0-9a-f]{64}", line)]
    assert loose == []


def test_no_lock_file_is_forgotten(root: Path) -> None:
    there = {path.stem for path in (root / "requirements").glob("*.txt") if not path.stem.endswith(".overrides")}
    assert there == set(LOCKS)


@pytest.mark.parametrize(("above", "below"), [("checks", "services"), ("torch", "models")])
def test_what_shares_an_environment_agrees(root: Path, above: str, below: str) -> None:
    upper, lower = (_pins(root / "requirements" / f"{name}.txt") for name in (above, below))
    shared = upper.keys() & lower.keys()
    assert {name: upper[name] for name in shared} == {name: lower[name] for name in shared}


def test_torch_is_the_same_version_where_it_is_asked_for_and_where_it_is_pinned(root: Path) -> None:
    asked = re.search(r"^torch==(\S+)$", (root / "requirements/torch.in").read_text(), re.MULTILINE)
    assert asked is not None
    assert _pins(root / "requirements/torch-cpu.txt") == {"torch": f"{asked[1]}+cpu"}


def test_every_asset_is_pinned_by_hash_and_has_a_licence(root: Path) -> None:
    wheels = tomllib.loads((root / "requirements/assets.toml").read_text())["wheel"]
    digests = [wheel["sha256"] for wheel in wheels] + [asset["sha256"] for wheel in wheels for asset in wheel["asset"]]
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)
    assert all("==" in wheel["requirement"] and wheel["license"] and wheel["license_file"] for wheel in wheels)


def test_what_services_import_is_locked_for_services(root: Path, sources: list[Source]) -> None:
    locked = _pins(root / "requirements/services.txt")
    distributions = packages_distributions()
    astray = set()
    for source in sources:
        if not source.name.startswith(SERVICES):
            continue
        for module in _imported(source.tree) - IN_MODELS.keys() - INSIDE_TRITON:
            names = {_canonical(name) for name in distributions.get(module, ["(not installed)"])}
            if not names & locked.keys():
                astray.add(f"{source.name} imports {module} ({', '.join(sorted(names))})")
    assert sorted(astray) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_declares_what_it_imports(root: Path, sources: list[Source], package: str) -> None:
    project = tomllib.loads((root / package.partition("/")[0] / "pyproject.toml").read_text())["project"]
    optional = [name for names in project.get("optional-dependencies", {}).values() for name in names]
    declared = {_canonical(re.split(r"[\[=<>; ]", name)[0]) for name in [*project["dependencies"], *optional]}
    distributions = {**packages_distributions(), **IN_MODELS}
    imported = {
        module for source in sources if source.name.startswith(package) for module in _imported(source.tree)
    } - INSIDE_TRITON
    assert imported
    undeclared = {m for m in imported if not {_canonical(name) for name in distributions.get(m, [m])} & declared}
    assert undeclared == set()


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(tree: ast.Module) -> set[str]:
    """Top-level names of the third-party modules that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return {name for name in found if name not in sys.stdlib_module_names and not name.startswith("telltale")}
