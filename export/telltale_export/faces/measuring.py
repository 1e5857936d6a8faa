"""Scores of crops and tracks, and what a face detector's card says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Calibration

from telltale_export.calibration import apply_calibration, logit
from telltale_export.evaluation import ScoredSet

# Crops uint8 [N, S, S, 3] to P(fake) before calibration, [N].
Scores = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
_EDGE = 1e-6


@dataclass
class Collection:
    """Held-out items as they are made: each a stack of crops [n, S, S, 3] (one for a still), scored together."""

    crops: list[NDArray[np.uint8]] = field(default_factory=list)
    fake: list[bool] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def add(self, crops: NDArray[np.uint8], *, fake: bool, family: str, source: str, group: str) -> None:
        """Put one item in; ``crops`` without the leading dimension is a still."""
        self.crops.append(crops if crops.ndim == 4 else crops[None])
        self.fake.append(fake)
        self.families.append(family)
        self.sources.append(source)
        self.groups.append(group)

    def raw(self, score: Scores) -> list[NDArray[np.float64]]:
        """P(fake) before calibration of each crop of each item."""
        scores = score(np.concatenate(self.crops)).astype(np.float64)
        return np.split(scores, np.cumsum([len(crops) for crops in self.crops])[:-1])

    def scored(self, score: Scores, calibration: Calibration) -> ScoredSet:
        """Calibrated P(fake) of each item: the mean log-odds of its crops, as the gateway aggregates a track."""
        means = [float(logit(apply_calibration(calibration, raw)).mean()) for raw in self.raw(score)]
        values = np.clip(1.0 / (1.0 + np.exp(-np.array(means))), _EDGE, 1.0 - _EDGE)
        return ScoredSet(
            scores=values,
            fake=np.array(self.fake, dtype=np.bool_),
            families=np.array(self.families),
            sources=np.array(self.sources),
            groups=np.array(self.groups),
        )
