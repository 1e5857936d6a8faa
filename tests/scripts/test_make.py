"""The Makefile: which commands there are, and what is said where Python 3.11 is not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # As typed by a person, not as a make inside of `make test`.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name and name != "MFLAGS"}
    return subprocess.run(
        ["make", *arguments],  # noqa: S607
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_command_that_readme_names() -> None:
    listed = {line.split()[0] for line in _make("help").stdout.splitlines()}
    commands = {"help", "setup", "demo", "serve", "up", "down", "logs", "certs", "roll"}
    commands |= {"test", "test-compose", "test-export", "fuzz", "lint", "types"}
    commands |= {"bench", "bench-rollout", "lock", "clean"}
    assert commands == listed


@pytest.mark.parametrize("python", ["", "/nowhere/python3.11"])
def test_a_missing_python_is_said_plainly(python: str) -> None:
    done = _make("python", f"PYTHON={python}")
    assert done.returncode == 2
    assert "make PYTHON=/path/to/python3.11" in done.stderr


def test_another_python_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "python3"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    done = _make("python", f"PYTHON={other}")
    assert done.returncode == 2
    assert "is not Python 3.11" in done.stderr


def test_ci_runs_exactly_make_test() -> None:
    script = (ROOT / ".ci/run").read_text().splitlines()
    assert script[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in script
    assert script[-1] == "exec make test"
