"""scripts/check.py: the summary counts what pytest counted, and a failure is never lost."""

from __future__ import annotations

from collections import Counter
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
    assert check.closing_line(outcomes) == "===== 1 failed, 5 passed, 1 skipped in 3.00s ====="


def test_a_check_that_fails_without_counting_is_an_error(check: ModuleType) -> None:
    outcomes = [_outcome(check, 1), _outcome(check, 0, passed=5), _outcome(check, -11, passed=2)]
    assert check.closing_line(outcomes) == "===== 7 passed, 2 errors in 4.50s ====="
