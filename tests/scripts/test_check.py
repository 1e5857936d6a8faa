"""scripts/check.py: the summary counts what pytest counted, and a failure is never lost."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from .conftest import ROOT


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import check  # noqa: PLC0415  (scripts are no package)

    module: ModuleType = check
    return module


def _outcome(check: ModuleType, status: int, **tests: int) -> object:
    return check.Outcome(check.Check("x", ("true",)), status, 1.5, Counter(tests))


@pytest.mark.parametrize(
    "line",
    [
        "===== 2 failed, 44 passed in 3.39s =====",
        "=== 2 failed, 44 passed in 75.01s (0:01:15) ===",
        "2 failed, 44 passed in 3.39s",
    ],
)
def test_the_closing_line_of_pytest_is_recognised(check: ModuleType, line: str) -> None:
    code = f"import sys; print({line!r}); sys.exit(1)"
    outcome = check.run(check.Check("x", ("/usr/bin/env", "python3", "-c", code)))
    assert outcome.tests == Counter(failed=2, passed=44)
    assert not outcome.passed


def test_counts_are_added_up(check: ModuleType) -> None:
    outcomes = [_outcome(check, 0, passed=3, skipped=1), _outcome(check, 1, passed=2, failed=1)]
    assert check.closing_line(outcomes, 2.5) == "===== 1 failed, 5 passed, 1 skipped in 2.50s ====="


def test_a_check_that_fails_without_counting_is_an_error(check: ModuleType) -> None:
    outcomes = [_outcome(check, 1), _outcome(check, 0, passed=5), _outcome(check, -11, passed=2)]
    assert check.closing_line(outcomes, 4.5) == "===== 7 passed, 2 errors in 4.50s ====="


def test_lanes_run_beside_each_other(check: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of the two waits for the other's word, and comes to its end only where both run at once."""
    for name in ("one", "other"):
        os.mkfifo(tmp_path / name)
    shell = ("/usr/bin/env", "sh", "-c")
    outcomes = check.run_all(
        [
            check.Check("a", (*shell, f"echo 1 > {tmp_path / 'one'}; cat {tmp_path / 'other'}"), "services"),
            check.Check("b", (*shell, f"cat {tmp_path / 'one'}; echo 2 > {tmp_path / 'other'}"), "models"),
            check.Check("c", (*shell, "echo last; exit 3"), "services"),
        ]
    )
    assert [(outcome.check.name, outcome.status) for outcome in outcomes] == [("a", 0), ("b", 0), ("c", 3)]
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("services")] == [
        "services | --- a",
        "services | 2",
        "services | --- c",
        "services | last",
    ]
    assert [line for line in lines if line.startswith("models")] == ["models   | --- b", "models   | 1"]


def test_every_test_runs_once(check: ModuleType) -> None:
    """Each folder of tests is in one run of pytest, but for those of compose, which are a target of their own."""
    runs = [each.command for each in check.checks([]) if each.name.startswith("pytest")]
    folders = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if list(path.glob("**/test_*.py"))}
    seen = [
        folder
        for command in runs
        for folder in folders
        if folder in command or ("tests" in command and f"--ignore={folder}" not in command)
    ]
    assert sorted(seen) == sorted(folders - {"tests/compose"})
