"""A detector's item scores become one: calibrated, then over the frames of each track, then over the tracks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Aggregation, Calibration

from telltale_gateway.analysis.fusion import log_odds, probability

NO_TRACK = -1


@dataclass(frozen=True)
class Aggregated:
    """The scores of one detector on one upload, all P(fake).

    ``items`` are calibrated and in the bundle's order; ``tracks`` hold the score of each face track, under NO_TRACK
    that of items that belong to none. ``decisive`` is the track that gave ``raw`` and ``score``.
    """

    raw: float
    score: float
    items: tuple[float, ...]
    tracks: Mapping[int, float]
    decisive: int


def aggregate(
    raw: NDArray[np.float32], tracks: NDArray[np.int32], calibration: Calibration, rule: Aggregation
) -> Aggregated:
    """Aggregate raw scores [N] by the detector's rule; one forged person is enough, so the highest track decides."""
    items = tuple(calibration.apply(float(score)) for score in raw)
    by_track: dict[int, float] = {}
    raw_by_track: dict[int, float] = {}
    for track in sorted({int(t) for t in tracks}):
        where = np.flatnonzero(tracks == track)
        by_track[track] = _over_items([items[i] for i in where], rule)
        raw_by_track[track] = _over_items([float(raw[i]) for i in where], rule)
    decisive = max(by_track, key=lambda track: by_track[track])
    return Aggregated(raw_by_track[decisive], by_track[decisive], items, by_track, decisive)


def _over_items(scores: Sequence[float], rule: Aggregation) -> float:
    logits = sorted((log_odds(score) for score in scores), reverse=True)
    if rule.items == "top_mean_log_odds":
        logits = logits[: max(1, math.ceil(rule.top_share * len(logits)))]
    return probability(sum(logits) / len(logits))
