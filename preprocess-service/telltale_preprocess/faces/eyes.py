"""Eyes from dense landmarks: how open they are, and pictures of both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import EyeClip

from telltale_preprocess.faces.crops import resize
from telltale_preprocess.faces.mesh import Mesh
from telltale_preprocess.media.planar import Rgb

# Six points around each eye in the order of the paper: outer corner, two on the upper lid, inner corner, two on the
# lower lid, as the canonical face model numbers them; the subject's right and left eye.
RIGHT_EYE = (33, 160, 158, 133, 153, 144)
LEFT_EYE = (263, 387, 385, 362, 380, 373)
_MEASURED_WIDTH = 640


def eye_aspect_ratios(mesh: Mesh) -> tuple[float, float]:
    """Of the right and of the left eye: (|p2 - p6| + |p3 - p5|) / (2 |p1 - p4|) (Soukupova and Cech 2016)."""
    right, left = (_ratio(mesh.points[list(eye), :2]) for eye in (RIGHT_EYE, LEFT_EYE))
    return right, left


def cut_eyes(rgb: Rgb, mesh: Mesh, spec: EyeClip) -> NDArray[np.uint8]:
    """Both eyes as the spec frames them: uint8 [height, width, 3], RGB."""
    height, width = rgb.shape[:2]
    points = mesh.points[[*RIGHT_EYE, *LEFT_EYE], :2]
    pad = spec.padding * width / _MEASURED_WIDTH
    left, top = np.floor(points.min(axis=0) - pad).astype(int)
    right, bottom = np.ceil(points.max(axis=0) + pad).astype(int)
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    right, bottom = min(max(right, left + 1), width), min(max(bottom, top + 1), height)
    return resize(rgb[top:bottom, left:right], spec.width, spec.height)


def _ratio(eye: NDArray[np.float64]) -> float:
    across = float(np.linalg.norm(eye[0] - eye[3]))
    lids = float(np.linalg.norm(eye[1] - eye[5]) + np.linalg.norm(eye[2] - eye[4]))
    return lids / (2.0 * max(across, 1e-6))
