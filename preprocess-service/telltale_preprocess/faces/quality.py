"""How much a face in a frame is worth."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale_preprocess.faces.crops import cut_square
from telltale_preprocess.faces.detector import Face
from telltale_preprocess.faces.pose import Pose
from telltale_preprocess.media.planar import PlanarPicture, Rgb

_JUDGED_SIDE = 112
_GOOD_EYE_DISTANCE = 60.0
_GOOD_SHARPNESS = 100.0
_FRONTAL_DEGREES = 30.0
_LOOKED_AT = slice(_JUDGED_SIDE // 8, -_JUDGED_SIDE // 8)
_CHROMA_BINS = 32


def judged_crop(rgb: Rgb, face: Face) -> NDArray[np.uint8]:
    """The face box's square, scaled to uint8 [112, 112, 3]: what sharpness and looks are judged by."""
    glimpse = rgb.glimpse(face.centre, face.side, _JUDGED_SIDE) if isinstance(rgb, PlanarPicture) else None
    return glimpse if glimpse is not None else cut_square(rgb, face.centre, face.side, _JUDGED_SIDE)


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of the luma of a judged crop (Pech-Pacheco et al. 2000)."""
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))
    return float(deviation.item()) ** 2


def looks(crop: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The colours of a judged crop's middle: a histogram of its two chroma channels, float64 [1024], that sums to 1."""
    chroma = cv2.cvtColor(np.ascontiguousarray(crop[_LOOKED_AT, _LOOKED_AT]), cv2.COLOR_RGB2YCrCb)
    counts = cv2.calcHist([chroma], [1, 2], None, [_CHROMA_BINS] * 2, [64, 192] * 2).ravel().astype(np.float64)
    return np.asarray(counts / max(float(counts.sum()), 1.0))


def share_inside(face: Face, height: int, width: int) -> float:
    """How much of the face box lies inside the picture, in [0, 1]."""
    x, y, across, down = face.box
    visible = max(0.0, min(x + across, width) - max(x, 0.0)) * max(0.0, min(y + down, height) - max(y, 0.0))
    return min(1.0, visible / max(across * down, 1e-9))


def quality(face: Face, sharp: float, pose: Pose, visible: float) -> float:
    """One number in [0, 1]: the cube root of how far size, sharpness and pose reach what is plenty, times the share of
    the face that can be seen."""
    size = min(1.0, face.eye_distance / _GOOD_EYE_DISTANCE)
    crisp = min(1.0, sharp / _GOOD_SHARPNESS)
    frontal = max(0.0, math.cos(math.radians(pose.yaw)) * math.cos(math.radians(pose.pitch)))
    turned = min(1.0, frontal / math.cos(math.radians(_FRONTAL_DEGREES)))
    return math.cbrt(size * crisp * turned) * visible
