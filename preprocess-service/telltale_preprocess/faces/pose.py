"""Which way a face is turned, from its six landmarks."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass

import numpy as np

from telltale_preprocess.faces.detector import Face

# The same six points on a mean head (MediaPipe's canonical face model, centimetres), in the picture's axes:
# x to the right, y down, z away from the viewer.
_HEAD = np.array(
    [
        (-3.15, -2.62, -3.47),
        (3.15, -2.62, -3.47),
        (0.0, 1.13, -7.48),
        (0.0, 3.85, -5.40),
        (-7.66, -0.67, 2.44),
        (7.66, -0.67, 2.44),
    ]
)
# Least squares against the same six points each time; it takes no notice of where the landmarks' middle lies.
_SOLVE_HEAD = np.linalg.pinv(_HEAD - _HEAD.mean(axis=0))
_TINY = 1e-9


@dataclass(frozen=True)
class Pose:
    """Degrees: ``yaw`` positive when the subject turns to their left, ``pitch`` when they look up, ``roll`` clockwise
    in the picture."""

    yaw: float
    pitch: float
    roll: float


def estimate_pose(face: Face) -> Pose:
    """The rotation of the mean head whose scaled orthographic view comes closest (DeMenthon and Davis 1995, POS)."""
    across, down = _orthonormal(*(_SOLVE_HEAD @ face.landmarks).T.tolist())
    forward = -across[2], -down[2], across[1] * down[0] - across[0] * down[1]
    return Pose(
        yaw=math.degrees(math.atan2(forward[0], -forward[2])),
        pitch=math.degrees(math.asin(min(max(-forward[1], -1.0), 1.0))),
        roll=math.degrees(math.atan2(down[0], across[0])),
    )


def _orthonormal(one: list[float], two: list[float]) -> tuple[list[float], list[float]]:
    """The two rows of a rotation that come nearest to two rows: (M M^T)^(-1/2) M, where M has them as its rows.

    Written out, since for two by two LAPACK's decomposition takes ten times as long.
    """
    squared, mixed, other = (sum(map(operator.mul, *pair)) for pair in ((one, one), (one, two), (two, two)))
    root = math.sqrt(max(squared * other - mixed * mixed, _TINY * (squared + other) ** 2, _TINY**2))
    scale = 1.0 / (root * math.sqrt(squared + other + 2.0 * root))
    first, both, second = scale * (other + root), -scale * mixed, scale * (squared + root)
    return (
        [first * a + both * b for a, b in zip(one, two, strict=True)],
        [both * a + second * b for a, b in zip(one, two, strict=True)],
    )
