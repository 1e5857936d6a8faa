"""How a benchmark tells what it found: a table with its goals, and every value as JSON beside the clips."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import clips

Samples = dict[str, list[float]]


@dataclass(frozen=True)
class Row:
    """One line of the table; ``holds`` is None where there is no goal."""

    what: str
    value: str
    goal: str = ""
    holds: bool | None = None


def report(name: str, rows: list[Row], samples: Samples, about: Mapping[str, object]) -> None:
    """Print the table and write it, with every value measured, to .cache/bench/NAME.json; ``about``: what was used."""
    widths = [max(len(getattr(row, column)) for row in rows) for column in ("what", "value", "goal")]
    for row in rows:
        verdict = {None: "", True: "holds", False: "MISSED"}[row.holds]
        cells = (f"{cell:<{width}}" for cell, width in zip((row.what, row.value, row.goal), widths, strict=True))
        print("  ".join((*cells, verdict)).rstrip())
    machine = {
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        **about,
    }
    path = clips.PLACE / f"{name}.json"
    document = {"machine": machine, "rows": [asdict(row) for row in rows], "samples": samples}
    path.write_text(json.dumps(document, indent=1))
    print(f"every value: {path.relative_to(clips.HOUSE)}")


def milliseconds(seconds: list[float], digits: int = 0) -> str:
    """The median of seconds, and the middle half of them."""
    low, middle, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else seconds * 3
    return f"{middle * 1000:.{digits}f} ms [{low * 1000:.{digits}f}, {high * 1000:.{digits}f}]"


def say(what: str) -> None:
    """Tell what is being done, apart from the table."""
    print(what, file=sys.stderr, flush=True)
