"""How far two runtimes' answers to the same items are apart, and how far they may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale_export.errors import PackagingError

LIMIT = 1e-4
# Of the logit, beyond what the rounding of P(fake) explains: where P is 0.998, 1e-4 of P hides 0.05 of a logit.
LOGIT_LIMIT = 0.01
# Nearer to 0 or 1 float32 has too few steps for the logit to be read off.
_SATURATED = 1e-6
_ROUNDING = 2 * 2.0**-24  # a step of each of both answers, just under 1


@dataclass(frozen=True)
class Difference:
    """The largest |difference| between two runtimes' P(fake), or heatmaps, over some items, and how large it may be.

    ``logit`` is that of the logits of P(fake), as ``logit_difference`` reads it; none where it is not compared.
    """

    runtime: str
    against: str
    inputs: str
    largest: float
    limit: float = LIMIT
    logit: float | None = None

    @property
    def passes(self) -> bool:
        """Whether both may be said to be the same model."""
        return self.largest <= self.limit and (self.logit is None or self.logit <= LOGIT_LIMIT)


def difference(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The largest |difference|; infinite where one of them is no number."""
    apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return float(apart.max()) if np.isfinite(apart).all() else float("inf")


def saturated(scores: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which P(fake) [N] are within 1e-6 of 0 or 1, where no logit can be read off them: [N]."""
    exact = scores.astype(np.float64)
    return np.asarray(np.minimum(exact, 1.0 - exact) <= _SATURATED)


def logit_difference(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The largest |difference| of the logits of two runtimes' P(fake) [N], less what rounding to float32 explains.

    Items that the second is saturated on are left out; where the first one is and the second is not, it counts from
    the nearest number that is not.
    """
    seen = ~saturated(other)
    if not seen.any():
        return 0.0
    wanted = other.astype(np.float64)[seen]
    given = one.astype(np.float64)[seen].clip(_SATURATED, 1.0 - _SATURATED)
    apart = np.abs(_logit(given) - _logit(wanted))
    rounding = _ROUNDING / (np.minimum(given * (1.0 - given), wanted * (1.0 - wanted)))
    beyond = (apart - rounding).clip(0.0)
    return float(beyond.max()) if np.isfinite(beyond).all() else float("inf")


def _logit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(scores) - np.log1p(-scores))


def heatmap_difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The largest |difference| of two heatmaps [N, h, w], in parts of the second's largest value if over 1."""
    scale = max(1.0, float(np.abs(other).max()))
    return difference(one / scale, other / scale)


def require_parity(found: Difference) -> Difference:
    """The difference again.

    Raises:
        PackagingError: it is over the limit.
    """
    if found.largest <= found.limit and not found.passes:
        raise PackagingError(
            f"{found.runtime} and {found.against} differ by {found.logit:.2e} of a logit on {found.inputs} inputs, "
            f"more than {LOGIT_LIMIT:g}.",
            "One computes an operator otherwise, which P(fake) near 0 or 1 hides; what differs so is not published.",
        )
    if not found.passes:
        raise PackagingError(
            f"{found.runtime} and {found.against} differ by {found.largest:.2e} on {found.inputs} inputs, more than "
            f"{found.limit:.0e}.",
            "One of them computes an operator otherwise; what differs so is not published, and should not be served.",
        )
    return found
