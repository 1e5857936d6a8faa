"""Ending process groups for good."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

# A killed process still takes a moment to let go of its files and segments.
SETTLE_S = 5.0


def kill_groups(groups: Iterable[int]) -> None:
    """Kill process groups and wait, for a few seconds at most, until none of their processes runs."""
    left = set(groups)
    deadline = time.monotonic() + SETTLE_S
    while left and time.monotonic() < deadline:
        left = {group for group in left if _kill(group)}
        time.sleep(0.02)


def _kill(group: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
        return True
    return False
