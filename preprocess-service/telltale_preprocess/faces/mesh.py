"""Dense landmarks of one face: MediaPipe's face mesh (Kartynnik et al. 2019), run by OpenCV.

MediaPipe's own FaceLandmarker takes this model in a bundle of the right names without a complaint, and reads its 468
points of three coordinates as 478 of two. OpenCV's reader of TFLite gives what the interpreter gives, to 1e-4 pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale_preprocess.faces.crops import cut_square, eye_angle
from telltale_preprocess.faces.detector import Face
from telltale_preprocess.media.planar import Rgb

MESH_FILE = "face_landmark.tflite"
_SIDE = 192
_MARGIN = 1.5
_POINTS, _PRESENCE = "conv2d_21", "conv2d_31"
_SURE = 50.0


@dataclass(frozen=True)
class Mesh:
    """``points``: float64 [468, 3], x and y in pixels of the picture, z in pixels towards the viewer's back, as the
    canonical face model numbers them; ``presence``: in [0, 1], whether there is a face under them."""

    points: NDArray[np.float64]
    presence: float


class FaceMesh:
    """Owns the model; one for each process, used by one thread."""

    def __init__(self, assets: Path) -> None:
        """Load the model.

        Raises:
            FileNotFoundError: ``assets`` does not hold it.
        """
        model = assets / MESH_FILE
        if not model.is_file():
            raise FileNotFoundError(f"{model} is missing: fetch the assets, or set TELLTALE_PREPROCESS_ASSETS")
        # The new engine of OpenCV 5 drops the second output.
        self._net = cv2.dnn.readNetFromTFLite(str(model), cv2.dnn.ENGINE_CLASSIC)

    def landmarks(self, rgb: Rgb, face: Face) -> Mesh:
        """The landmarks of a face that was found in a picture (uint8 [height, width, 3], RGB)."""
        angle, side = eye_angle(face), face.side * _MARGIN
        crop = cut_square(rgb, face.centre, side, _SIDE, angle)
        self._net.setInput(np.ascontiguousarray(crop.transpose(2, 0, 1)[np.newaxis], dtype=np.float32) / 255.0)
        points, presence = self._net.forward([_POINTS, _PRESENCE])
        turned = points.reshape(-1, 3).astype(np.float64) * (max(1, round(side)) / _SIDE)
        turned[:, :2] -= side / 2
        cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        straight = turned.copy()
        straight[:, 0] = face.centre[0] + cosine * turned[:, 0] - sine * turned[:, 1]
        straight[:, 1] = face.centre[1] + sine * turned[:, 0] + cosine * turned[:, 1]
        logit = min(max(float(presence.item()), -_SURE), _SURE)
        return Mesh(straight, 1.0 / (1.0 + math.exp(-logit)))
