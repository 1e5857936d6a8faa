"""How much a face in a frame is worth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale_preprocess.faces.crops import cut_square
from telltale_preprocess.faces.detector import Face

_JUDGED_SIDE = 112
_GOOD_EYE_DISTANCE = 60.0
_GOOD_SHARPNESS = 100.0
_FRONTAL_EYE_SHARE = 0.4


def sharpness(rgb: NDArray[np.uint8], face: Face) -> float:
    """Variance of the Laplacian of the luma of the face box, scaled to 112 x 112 (Pech-Pacheco et al. 2000)."""
    crop = cut_square(rgb, face.centre, face.side, _JUDGED_SIDE)
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(luma, cv2.CV_64F).var())


def quality(face: Face, sharp: float) -> float:
    """Size, sharpness and pose as one number in [0, 1]: the product of how far each reaches what is plenty."""
    size = min(1.0, face.eye_distance / _GOOD_EYE_DISTANCE)
    crisp = min(1.0, sharp / _GOOD_SHARPNESS)
    frontal = min(1.0, face.eye_distance / (_FRONTAL_EYE_SHARE * max(face.side, 1.0)))
    return float(np.cbrt(size * crisp * frontal))
