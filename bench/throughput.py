"""How many items a second each live detector scores on one core, and how large its artefact is.

    .venvs/models/bin/python bench/throughput.py

The items are the version's golden inputs, 16 at a time, through the runtime that its server uses; the figures are
medians of interleaved repeats. The server, and the way of the tensors to it, come on top.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from telltale_contracts import CARD_FILE, GOLDEN_FILE, DetectorManifest, Rollout, artifact_files
from telltale_export.packaging.scoring import Scorer, load_scorer

REPOSITORY = Path(__file__).resolve().parent.parent / "model-repository"
BATCH, REPEATS, LEAST_S = 16, 9, 0.3


@dataclass(frozen=True)
class Row:
    """A live version: its name, what it looks at, its size in MB, its scorer and a batch for it."""

    name: str
    items: str
    megabytes: float
    score: Scorer
    batch: NDArray[np.generic]

    def rate(self) -> float:
        """Items a second, over at least ``LEAST_S``."""
        began, done = time.perf_counter(), 0
        while (took := time.perf_counter() - began) < LEAST_S:
            self.score(self.batch)
            done += len(self.batch)
        return done / took


def main() -> int:
    """Measure and print."""
    # Before any runtime starts its threads.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = list(live_versions())
    for row in rows:
        row.score(row.batch)
    rates: dict[str, list[float]] = {row.name: [] for row in rows}
    for _ in range(REPEATS):
        for row in rows:
            rates[row.name].append(row.rate())
    print(f"{'detector':20s} {'looks at':28s} {'size':>8s}  items a second on one core")
    for row in rows:
        low, high = min(rates[row.name]), max(rates[row.name])
        middle = statistics.median(rates[row.name])
        print(f"{row.name:20s} {row.items:28s} {row.megabytes:5.1f} MB  {middle:.0f} [{low:.0f}, {high:.0f}]")
    return 0


def live_versions() -> Iterator[Row]:
    """Of each detector the version that answers."""
    for path in sorted(REPOSITORY.glob("*/detector.yaml")):
        manifest, live = DetectorManifest.from_yaml(path), Rollout.from_yaml(path.with_name("rollout.yaml")).live
        if live is None:
            continue
        folder = path.parent / str(live)
        inputs = load_file(folder / GOLDEN_FILE)["input"]
        size = sum((folder / name).stat().st_size for name in artifact_files(folder) if name != CARD_FILE)
        shape = " x ".join(map(str, inputs.shape[1:]))
        batch = np.resize(inputs, (BATCH, *inputs.shape[1:]))
        yield Row(f"{manifest.name} {live}", shape, size / 1e6, load_scorer(folder, manifest.tensors, BATCH), batch)


if __name__ == "__main__":
    sys.exit(main())
