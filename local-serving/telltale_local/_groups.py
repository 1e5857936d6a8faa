"""Ending process groups for good."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# A killed process still takes a moment to let go of its files and segments.
SETTLE_S = 5.0


def kill_groups(groups: Iterable[int]) -> None:
    """Kill process groups and wait, for a few seconds at most, until none of their processes runs."""
    left = set(groups)
    deadline = time.monotonic() + SETTLE_S
    while left and time.monotonic() < deadline:
        for group in left:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        left &= _running_groups()
        time.sleep(0.02 if left else 0)


def _running_groups() -> set[int]:
    """The groups of all processes that run. A zombie does not, however late its parent collects it."""
    groups = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            # The name before the last parenthesis may hold anything.
            state, _, group, *_ = entry.read_text().rpartition(")")[2].split()
            if state not in {"Z", "X"}:
                groups.add(int(group))
    return groups
