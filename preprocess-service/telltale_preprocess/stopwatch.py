"""Milliseconds by stage."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Stage = Literal["decode", "faces", "features"]


class Stopwatch:
    """Adds up the wall time of each stage of one request."""

    def __init__(self) -> None:
        self._seconds: dict[Stage, float] = defaultdict(float)

    @contextmanager
    def measure(self, stage: Stage) -> Iterator[None]:
        """Count the time within to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] += time.perf_counter() - start

    def add(self, other: Stopwatch) -> None:
        """Add what another one measured."""
        for stage, seconds in other._seconds.items():
            self._seconds[stage] += seconds

    def timings_ms(self) -> dict[Stage, float]:
        """Milliseconds by stage."""
        return {stage: round(seconds * 1000.0, 3) for stage, seconds in self._seconds.items()}
