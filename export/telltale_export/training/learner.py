"""What a training needs of a framework."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from telltale_export.evaluation.metrics import Bools, Floats

Items = NDArray[np.generic]
EDGE = 1e-6
"""Probabilities are kept so far from 0 and 1 in a loss; a logit of single precision would be 13.8 there."""
NORM = 2.0
"""Of the gradient, at most."""


class Learner(Protocol):
    """A network that learns, and the moving average of its weights, which is what gets judged and kept."""

    framework: str
    """Its name and version."""
    best_file: str
    """What the file with the average's weights is called; ``convert`` reads it."""

    def begin(self, number: int) -> None:
        """Before the first step of an epoch: everything random in it follows from the plan's seed and this number."""

    def learn(self, items: Items, fake: Bools, rate: float, keep: float) -> float:
        """One step at a learning rate, and how much the average keeps of itself; the loss before it.

        Args:
            items: raw, as they are served [N, ...].
            fake: [N].
            rate: the learning rate.
            keep: in [0, 1).
        """

    def answer(self, items: Items) -> Floats:
        """P(fake) of raw items [N, ...] by the average: float64 [N]."""

    def weights(self) -> bytes:
        """A checkpoint of the average."""

    def state(self) -> bytes:
        """Everything that a step changes."""

    def restore(self, state: bytes) -> None:
        """Be as when ``state`` was taken."""
