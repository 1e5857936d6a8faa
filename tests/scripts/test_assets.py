"""scripts/assets.py: by hash or not at all, once, and whole."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import ROOT
from .wheels import make_wheel

MODEL, TOOL = b"weights", b"#!/bin/sh\n"
TREE = {"toolbox/tree/a.txt": b"a", "toolbox/tree/b/c.txt": b"c"}
NOTHING = "0" * 64


@dataclass(frozen=True)
class Setup:
    """A pin file, the folder that it fills, and how to run the script."""

    pins: Path
    to: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [ROOT / ".venvs/tools/bin/python", ROOT / "scripts/assets.py", "--to", self.to, "--pins", self.pins]
        return subprocess.run(
            [*command, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )

    def laid(self) -> dict[str, bytes]:
        """Every file of the asset folder that is not the script's own."""
        files = [path for path in self.to.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return {path.relative_to(self.to).as_posix(): path.read_bytes() for path in files}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _pins(wheel: str, *, model: str = _sha256(MODEL), member: str = "toolbox/model.bin") -> str:
    listing = "".join(f"{_sha256(content)}  {name.removeprefix('toolbox/')}\n" for name, content in TREE.items())
    return f"""
[[wheel]]
requirement = "toolbox==1.0"
sha256 = "{wheel}"
license = "none"
license_file = "toolbox-1.0.dist-info/LICENSE"
[[wheel.asset]]
to = "model.bin"
member = "{member}"
sha256 = "{model}"
[[wheel.asset]]
to = "tool"
member = "toolbox/tool"
sha256 = "{_sha256(TOOL)}"
[[wheel.asset]]
to = "forest"
strip = "toolbox/"
keep = ["toolbox/tree/"]
sha256 = "{_sha256(listing.encode())}"
"""


@pytest.fixture
def wheel(shop: Path) -> str:
    files = {"toolbox/model.bin": MODEL, "toolbox/tool": TOOL, "toolbox/unwanted.py": b"", **TREE}
    return make_wheel(shop, "toolbox", "1.0", files, executable="toolbox/tool")


@pytest.fixture
def setup(tmp_path: Path, offline: dict[str, str], wheel: str) -> Setup:
    pins = tmp_path / "assets.toml"
    pins.write_text(_pins(wheel))
    return Setup(pins, tmp_path / "assets", offline)


def test_what_is_pinned_is_laid_out_and_nothing_else(setup: Setup) -> None:
    done = setup.run()
    assert done.returncode == 0, done.stderr
    assert setup.laid() == {
        "model.bin": MODEL,
        "tool": TOOL,
        "forest/tree/a.txt": b"a",
        "forest/tree/b/c.txt": b"c",
        "licenses/toolbox.txt": b"do as you like\n",
    }
    assert os.access(setup.to / "tool", os.X_OK)
    assert not os.access(setup.to / "model.bin", os.X_OK)
    assert list(setup.to.glob(".laying-*")) == []


def test_a_second_run_fetches_nothing(setup: Setup, shop: Path) -> None:
    setup.run()
    for wheel in shop.iterdir():
        wheel.unlink()
    done = setup.run()
    assert (done.returncode, done.stdout) == (0, "")


def test_bytecode_left_in_a_tree_is_no_alteration(setup: Setup, shop: Path) -> None:
    setup.run()
    (setup.to / "forest/tree/__pycache__").mkdir()
    (setup.to / "forest/tree/__pycache__/a.pyc").write_bytes(b"x")
    for wheel in shop.iterdir():
        wheel.unlink()
    assert setup.run().returncode == 0


@pytest.mark.parametrize(("name", "content"), [("model.bin", MODEL), ("forest/tree/a.txt", b"a"), ("tool", TOOL)])
def test_an_altered_file_is_laid_anew(setup: Setup, name: str, content: bytes) -> None:
    setup.run()
    altered = setup.to / name
    altered.write_bytes(b"x" * len(content))
    done = setup.run()
    assert done.returncode == 0, done.stderr
    assert "is not what is pinned" in done.stdout
    assert altered.read_bytes() == content


def test_a_missing_file_of_a_tree_is_laid_anew(setup: Setup) -> None:
    setup.run()
    (setup.to / "forest/tree/b/c.txt").unlink()
    setup.run()
    assert (setup.to / "forest/tree/b/c.txt").read_bytes() == b"c"


def test_a_file_with_another_hash_is_refused(setup: Setup, wheel: str) -> None:
    setup.pins.write_text(_pins(wheel, model=NOTHING))
    done = setup.run()
    assert done.returncode == 1
    assert f"model.bin has sha256 {_sha256(MODEL)}" in done.stderr
    assert "Traceback" not in done.stderr
    assert "model.bin" not in setup.laid()


def test_a_wheel_with_another_hash_is_refused(setup: Setup) -> None:
    setup.pins.write_text(_pins(NOTHING))
    done = setup.run()
    assert done.returncode == 1
    assert "could not download toolbox==1.0" in done.stderr
    assert setup.laid() == {}


def test_a_member_that_is_not_in_the_wheel_is_refused(setup: Setup, wheel: str) -> None:
    setup.pins.write_text(_pins(wheel, member="toolbox/renamed.bin"))
    done = setup.run()
    assert done.returncode == 1
    assert "model.bin" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_an_interrupted_run_left_is_swept_away(setup: Setup) -> None:
    abandoned = setup.to / ".laying-abc"
    abandoned.mkdir(parents=True)
    (abandoned / "half.whl").write_bytes(b"x")
    assert setup.run().returncode == 0
    assert not abandoned.exists()


def test_a_wheel_that_is_not_pinned_cannot_be_asked_for(setup: Setup) -> None:
    done = setup.run("--only", "hammer")
    assert done.returncode == 1
    assert "pins no wheel named hammer" in done.stderr


def test_one_wheel_can_be_asked_for(setup: Setup) -> None:
    assert setup.run("--only", "toolbox").returncode == 0
    assert "model.bin" in setup.laid()
