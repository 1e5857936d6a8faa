"""Lint, types and tests of the whole house, each in the environment it belongs to; one summary, one exit status.

Every check runs, also after one has failed. They run in three lanes beside each other: what needs the models'
environment, the tests that share a running stack and mostly wait for it, and the rest. The last line counts the tests
of all pytest runs together.
"""

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from _steps import main_or_message, say

HOUSE = Path(__file__).resolve().parent.parent
SERVICES = HOUSE / ".venvs/services/bin"
MODELS = HOUSE / ".venvs/models/bin"
CLOSING = re.compile(r"^=* ?((?:\d+ [a-z]+(?:, )?)+|no tests ran) in [\d.]+s")

ROOMS = (
    "contracts/telltale_asgi",
    "contracts/telltale_contracts",
    "contracts/telltale_tfserving",
    "gateway/telltale_gateway",
    "preprocess-service/telltale_preprocess",
    "local-serving/telltale_local",
    "client/telltale",
    "scripts",
)
# They share one running stack (tests/conftest.py), which each pytest run starts for itself.
OF_THE_STACK = ("tests/client", "tests/contract", "tests/integration")
# What imports TensorFlow, torch or onnx is typed against the environment that has them.
ROOMS_OF_MODELS = ("export/telltale_export",)


@dataclass(frozen=True)
class Check:
    """One command; `name` is what the summary calls it, `lane` whose other checks it waits for."""

    name: str
    command: tuple[str | Path, ...]
    lane: str = "services"


@dataclass(frozen=True)
class Outcome:
    """How a check ended; `tests` counts what pytest says, empty for every other check."""

    check: Check
    status: int
    seconds: float
    tests: Counter[str]

    @property
    def passed(self) -> bool:
        """Whether it found nothing."""
        return self.status == 0


def checks(pytest_arguments: list[str]) -> list[Check]:
    """All checks, cheapest first; `pytest_arguments` go to all pytest runs."""
    mypy = (SERVICES / "mypy", "--strict")
    models = ("--python-executable", MODELS / "python", "--cache-dir", ".mypy_cache/models")
    # Export's run in the other environment; those of compose need a Docker engine: make test-compose.
    elsewhere = [f"--ignore={place}" for place in ("tests/export", "tests/compose", *OF_THE_STACK)]
    return [
        Check("ruff check", (SERVICES / "ruff", "check", ".")),
        Check("ruff format", (SERVICES / "ruff", "format", "--check", ".")),
        Check("mypy, services", (*mypy, *ROOMS)),
        Check("mypy, models", (*mypy, *models, *ROOMS_OF_MODELS), "models"),
        Check("pytest, models", (MODELS / "python", "-m", "pytest", "tests/export", *pytest_arguments), "models"),
        Check(
            "pytest, services",
            (SERVICES / "python", "-m", "pytest", "tests", *elsewhere, *pytest_arguments),
        ),
        Check("pytest, stack", (SERVICES / "python", "-m", "pytest", *OF_THE_STACK, *pytest_arguments), "stack"),
    ]


def run_all(chosen: list[Check]) -> list[Outcome]:
    """Run the lanes beside each other; each line says whose it is where there are several."""
    lanes = list(dict.fromkeys(check.lane for check in chosen))

    def follow(lane: str) -> list[Outcome]:
        def tell(line: str) -> None:
            say(f"{lane:8} | {line}" if len(lanes) > 1 else line)

        return [run(check, tell) for check in chosen if check.lane == lane]

    with ThreadPoolExecutor(max_workers=max(1, len(lanes))) as pool:
        outcomes = [outcome for of_one in pool.map(follow, lanes) for outcome in of_one]
    return sorted(outcomes, key=lambda outcome: chosen.index(outcome.check))


def run(check: Check, tell: Callable[[str], None] = say) -> Outcome:
    """Run one check, passing its output on as it comes."""
    tell(f"--- {check.name}")
    started = time.monotonic()
    counted: Counter[str] = Counter()
    command = [str(part) for part in check.command]
    with subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None  # noqa: S101  (a pipe was asked for)
        for line in process.stdout:
            tell(line.rstrip("\n"))
            if closing := CLOSING.match(line):
                counted = Counter({what: int(n) for n, what in re.findall(r"(\d+) (error|warning|[a-z]+)", closing[1])})
    return Outcome(check, process.returncode, time.monotonic() - started, counted)


def closing_line(outcomes: list[Outcome], seconds: float) -> str:
    """All pytest runs as one closing line, and how long all took; another check that failed counts as an error."""
    total: Counter[str] = Counter()
    for outcome in outcomes:
        total += outcome.tests
        if not outcome.passed and not outcome.tests.keys() & {"failed", "error"}:
            total["error"] += 1
    order = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warning", "error")
    plural = {what: "s" if what in {"warning", "error"} and total[what] > 1 else "" for what in order}
    counts = ", ".join(f"{total[what]} {what}{plural[what]}" for what in order if total[what])
    return f"===== {counts or 'no tests ran'} in {seconds:.2f}s ====="


def main() -> None:
    """Run everything and exit with 1 when anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", help="checks whose name contains this: lint is 'ruff', types 'mypy'")
    options, pytest_arguments = parser.parse_known_args()
    chosen = [check for check in checks(pytest_arguments) if not options.only or options.only in check.name]
    started = time.monotonic()
    outcomes = run_all(chosen)
    say("\n--- summary")
    for outcome in outcomes:
        verdict = "ok" if outcome.passed else f"FAILED (exit status {outcome.status})"
        say(f"{outcome.check.name:<18} {outcome.seconds:7.1f} s  {verdict}")
    say(closing_line(outcomes, time.monotonic() - started))
    sys.exit(0 if outcomes and all(outcome.passed for outcome in outcomes) else 1)


if __name__ == "__main__":
    main_or_message(main)
