"""Which way a face is turned, from its six landmarks."""

from __future__ import annotations

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
_CENTRED_HEAD = _HEAD - _HEAD.mean(axis=0)


@dataclass(frozen=True)
class Pose:
    """Degrees: ``yaw`` positive when the subject turns to their left, ``pitch`` when they look up, ``roll`` clockwise
    in the picture."""

    yaw: float
    pitch: float
    roll: float


def estimate_pose(face: Face) -> Pose:
    """The rotation of the mean head whose scaled orthographic view comes closest (DeMenthon and Davis 1995, POS)."""
    flat = face.landmarks - face.landmarks.mean(axis=0)
    view, *_ = np.linalg.lstsq(_CENTRED_HEAD, flat, rcond=None)
    # The two rows of a scaled rotation, as nearly as least squares allow; the nearest true ones by SVD.
    left, _, right = np.linalg.svd(view.T, full_matrices=False)
    across, down = left @ right
    depth = np.cross(across, down)
    forward = -np.array([across[2], down[2], depth[2]])
    return Pose(
        yaw=float(np.degrees(np.arctan2(forward[0], -forward[2]))),
        pitch=float(np.degrees(np.arcsin(np.clip(-forward[1], -1.0, 1.0)))),
        roll=float(np.degrees(np.arctan2(down[0], across[0]))),
    )
