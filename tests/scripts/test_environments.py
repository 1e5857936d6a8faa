"""scripts/environments.py: by hash or not at all, once, and whole after an interruption.

In a house of its own whose Triton environment asks for one small wheel; pip is that of this house.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import ROOT
from .wheels import make_wheel


@dataclass(frozen=True)
class House:
    """A copy of the scripts with a lock file of its own."""

    root: Path
    environment: dict[str, str]

    def lock(self, *pins: tuple[str, str, str]) -> None:
        lines = [f"{name}=={version} --hash=sha256:{digest}\n" for name, version, digest in pins]
        (self.root / "requirements/triton.txt").write_text("# the lock\n" + "".join(lines))

    def command(self, *layers: str) -> list[str | Path]:
        return [sys.executable, self.root / "scripts/environments.py", *layers]

    def build(self, *layers: str) -> subprocess.CompletedProcess[str]:
        command = self.command(*(layers or ("triton",)))
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=120)

    def value(self, name: str) -> str:
        """What the module `name` of the environment says; empty when it is not there."""
        code = f"import {name}; print({name}.VALUE)"
        python = self.root / ".venvs/triton/bin/python"
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


@pytest.fixture
def house(tmp_path: Path, offline: dict[str, str]) -> House:
    root = tmp_path / "house"
    (root / "requirements").mkdir(parents=True)
    (root / ".venvs").mkdir()
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".venvs/tools").symlink_to(ROOT / ".venvs/tools")
    return House(root, offline)


def _wheel(shop: Path, version: str, name: str = "pebble") -> tuple[str, str, str]:
    return name, version, make_wheel(shop, name, version, {f"{name}.py": f"VALUE = {version!r}\n".encode()})


def test_a_second_run_does_nothing(house: House, shop: Path) -> None:
    house.lock(_wheel(shop, "1.0"))
    first = house.build()
    assert first.returncode == 0, first.stderr
    assert "environment triton" in first.stdout
    assert house.value("pebble") == "1.0"
    shutil.rmtree(shop)
    second = house.build()
    assert (second.returncode, second.stdout) == (0, "")


def test_a_comment_in_a_lock_file_changes_nothing(house: House, shop: Path) -> None:
    house.lock(_wheel(shop, "1.0"))
    house.build()
    lock = house.root / "requirements/triton.txt"
    lock.write_text(lock.read_text() + "    # via somebody\n")
    assert house.build().stdout == ""


def test_a_changed_lock_is_followed_and_what_it_dropped_is_removed(house: House, shop: Path) -> None:
    house.lock(_wheel(shop, "1.0"), _wheel(shop, "1.0", "stone"))
    house.build()
    assert house.value("stone") == "1.0"
    house.lock(_wheel(shop, "2.0"))
    done = house.build()
    assert done.returncode == 0, done.stderr
    assert (house.value("pebble"), house.value("stone")) == ("2.0", "")


def test_an_interrupted_installation_is_made_anew(house: House, shop: Path) -> None:
    pin = _wheel(shop, "1.0")
    house.lock(pin)
    house.build()
    # As after a kill during the next installation: no stamp, and a package without half of its files.
    (house.root / ".venvs/triton/.made-from.json").unlink()
    next((house.root / ".venvs/triton").rglob("pebble.py")).unlink()
    done = house.build()
    assert done.returncode == 0, done.stderr
    assert house.value("pebble") == "1.0"


def test_a_failed_installation_is_tried_again(house: House, shop: Path) -> None:
    name, version, digest = _wheel(shop, "1.0")
    house.lock((name, version, "0" * 64))
    refused = house.build()
    assert refused.returncode == 1
    assert "could not be installed" in refused.stderr
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert house.value("pebble") == ""
    house.lock((name, version, digest))
    assert house.build().returncode == 0
    assert house.value("pebble") == "1.0"


def test_a_requirement_without_a_hash_is_refused(house: House, shop: Path) -> None:
    _wheel(shop, "1.0")
    (house.root / "requirements/triton.txt").write_text("pebble==1.0\n")
    done = house.build()
    assert done.returncode == 1
    assert "hash" in done.stderr.lower()


def test_two_runs_at_once_take_turns(house: House, shop: Path) -> None:
    house.lock(_wheel(shop, "1.0"))
    runs = [
        subprocess.Popen(house.command("triton"), env=house.environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sum("environment triton" in text for text in said) == 1


def test_an_unknown_layer_is_named(house: House) -> None:
    done = house.build("tritn")
    assert done.returncode == 2
    assert "no such layer: tritn" in done.stderr


def test_a_system_without_the_stubs_python_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    from _steps import SetupError  # noqa: PLC0415  (scripts are no package)
    from environments import check_stub_python  # noqa: PLC0415

    with pytest.raises(SetupError, match=r"apt-get install python3\.11 libpython3\.11"):
        check_stub_python(tmp_path / "python3.11")
    without_library = tmp_path / "python"
    without_library.write_text("#!/bin/sh\necho 'OSError: libpython3.11.so.1.0: cannot open' >&2\nexit 1\n")
    without_library.chmod(0o755)
    with pytest.raises(SetupError, match=r"libpython3\.11\.so\.1\.0 is missing"):
        check_stub_python(without_library)
