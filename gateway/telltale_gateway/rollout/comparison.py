"""Two versions on the same inputs: how their scores differ, and whether that can be chance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from telltale_gateway.rollout.kolmogorov import two_sample
from telltale_gateway.rollout.releases import Release

_KEPT = 500


class Difference(BaseModel):
    """Two versions over ``n`` different inputs, each version's score of an input its mean calibrated P(fake).

    ``mean`` is of (right - left), ``mean_absolute`` and ``largest`` of its absolute value; ``flipped`` counts inputs on
    which one is at least its threshold and the other is not. ``distance`` and ``p`` are the exact two-sample
    Kolmogorov-Smirnov test between the distributions of both; none below two inputs.
    """

    left: int
    right: int
    n: int
    mean: float | None = None
    mean_absolute: float | None = None
    largest: float | None = None
    flipped: int = 0
    distance: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class _Pair:
    left: float
    right: float
    flipped: bool


class Comparison:
    """The last different inputs that two versions of a detector both scored.

    An input that is sent again says nothing new: its latest scores stand in the place of those before.
    """

    def __init__(self, left: Release, right: Release) -> None:
        self._left = left
        self._right = right
        self._pairs: dict[bytes, _Pair] = {}

    def add(self, key: bytes, left: NDArray[np.float32], right: NDArray[np.float32]) -> None:
        """Take in one input by its key: the raw scores of its items from either version, float32 [N]."""
        a, b = calibrated_mean(self._left, left), calibrated_mean(self._right, right)
        flipped = (a >= self._left.card.threshold) != (b >= self._right.card.threshold)
        self._pairs.pop(key, None)
        self._pairs[key] = _Pair(a, b, flipped)
        if len(self._pairs) > _KEPT:
            del self._pairs[next(iter(self._pairs))]

    def difference(self) -> Difference:
        """What the inputs so far show."""
        versions = {"left": self._left.card.version, "right": self._right.card.version}
        if not self._pairs:
            return Difference(**versions, n=0)
        pairs = self._pairs.values()
        left = np.array([pair.left for pair in pairs])
        right = np.array([pair.right for pair in pairs])
        gap = right - left
        distance, p = two_sample(left, right) if len(gap) > 1 else (None, None)
        return Difference(
            **versions,
            n=len(gap),
            mean=float(gap.mean()),
            mean_absolute=float(np.abs(gap).mean()),
            largest=float(np.abs(gap).max()),
            flipped=sum(pair.flipped for pair in pairs),
            distance=distance,
            p=p,
        )


def input_key(items: NDArray[np.generic]) -> bytes:
    """What tells one input [N, ...] from another: a digest of its bytes."""
    return hashlib.blake2b(np.ascontiguousarray(items).data, digest_size=16).digest()


def calibrated_mean(release: Release, raw: NDArray[np.float32]) -> float:
    """One input's score by a version: the mean of its items, each calibrated as the version's card says."""
    return sum(release.card.calibration.apply(float(score)) for score in raw) / len(raw)
