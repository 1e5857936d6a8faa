"""468 points of a face, by MediaPipe's face mesh (Kartynnik 2019); training data only, nothing served uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale_export.errors import DataError

SIDE = 192
# How much of a chip the mesh is to see: about 1.25 times the face box of a chip that shows 1.6 times of it.
REGION = 1.25
MIN_PRESENCE = 6.0

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
BROWS = (276, 283, 282, 295, 285, 300, 293, 334, 296, 336, 46, 53, 52, 65, 55, 70, 63, 105, 66, 107)
EYES = (33, 133, 159, 145, 263, 362, 386, 374)
NOSE = (1, 2, 98, 327)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
CHIN = (152, 176, 400)


class FaceMesh:
    """MediaPipe's face_landmark.tflite on one thread."""

    def __init__(self, model: Path) -> None:
        """Open the model.

        Raises:
            DataError: it is not there.
        """
        if not model.is_file():
            raise DataError(f"{model} is not there.", "Run scripts/assets.py, which fetches MediaPipe's models.")
        import tensorflow as tf  # noqa: PLC0415 - three seconds to import

        self._interpreter: Any = tf.lite.Interpreter(model_path=str(model), num_threads=1)
        self._interpreter.allocate_tensors()
        self._entry = self._interpreter.get_input_details()[0]["index"]
        outputs = {int(o["shape"][-1]): o["index"] for o in self._interpreter.get_output_details()}
        self._points, self._presence = outputs[1404], outputs[1]

    def find(
        self, chip: NDArray[np.uint8], eyes: tuple[tuple[float, float], tuple[float, float]], margin: float
    ) -> NDArray[np.float32] | None:
        """The mesh of the face in the middle of a chip: float32 [468, 2], x and y in the chip's pixels.

        Args:
            chip: uint8 [S, S, 3] RGB, centred on the face box.
            eyes: the subject's right and left eye in the chip's pixels; they level the mesh.
            margin: the chip's side over the face box's longer side.

        Returns:
            The points, or none where the mesh sees no face.
        """
        (right_x, right_y), (left_x, left_y) = eyes
        angle = float(np.degrees(np.arctan2(left_y - right_y, left_x - right_x)))
        half = chip.shape[0] / 2
        to_mesh = cv2.getRotationMatrix2D((half, half), angle, SIDE * margin / (REGION * chip.shape[0]))
        to_mesh[:, 2] += SIDE / 2 - half
        level = cv2.warpAffine(chip, to_mesh, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        self._interpreter.set_tensor(self._entry, level[None].astype(np.float32) / 255.0)
        self._interpreter.invoke()
        if float(self._interpreter.get_tensor(self._presence).ravel()[0]) < MIN_PRESENCE:
            return None
        points = self._interpreter.get_tensor(self._points).reshape(1, 468, 3)[:, :, :2]
        return np.asarray(cv2.transform(points, cv2.invertAffineTransform(to_mesh))[0], dtype=np.float32)
