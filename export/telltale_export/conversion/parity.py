"""How far two runtimes' answers to the same items are apart, and how far they may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale_export.errors import PackagingError

LIMIT = 1e-4


@dataclass(frozen=True)
class Difference:
    """The largest |difference| between two runtimes' P(fake), or heatmaps, over some items, and how large it may be."""

    runtime: str
    against: str
    inputs: str
    largest: float
    limit: float = LIMIT

    @property
    def passes(self) -> bool:
        """Whether both may be said to be the same model."""
        return self.largest <= self.limit


def difference(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The largest |difference|; infinite where one of them is no number."""
    apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return float(apart.max()) if np.isfinite(apart).all() else float("inf")


def heatmap_difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The largest |difference| of two heatmaps [N, h, w], in parts of the second's largest value if over 1."""
    scale = max(1.0, float(np.abs(other).max()))
    return difference(one / scale, other / scale)


def require_parity(found: Difference) -> Difference:
    """The difference again.

    Raises:
        PackagingError: it is over the limit.
    """
    if not found.passes:
        raise PackagingError(
            f"{found.runtime} and {found.against} differ by {found.largest:.2e} on {found.inputs} inputs, more than "
            f"{found.limit:.0e}.",
            "The conversion changed an operator; nothing that differs so is published.",
        )
    return found
