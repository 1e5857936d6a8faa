"""Find faces in one picture with MediaPipe's full-range detector (BlazeFace, Bazarevsky et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mediapipe import Image as MpImage
from mediapipe import ImageFormat
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.vision import FaceDetector as MpFaceDetector
from mediapipe.tasks.python.vision import FaceDetectorOptions
from numpy.typing import NDArray

MODEL_FILE = "face_detection_full_range_sparse.tflite"


@dataclass(frozen=True)
class Face:
    """One face in pixels of the picture given: ``box`` is x, y, width, height; ``landmarks`` float64 [6, 2], x and y of
    the subject's right eye, left eye, nose tip, mouth centre, right ear and left ear."""

    box: tuple[float, float, float, float]
    score: float
    landmarks: NDArray[np.float64]

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the box."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2

    @property
    def side(self) -> float:
        """The longer side of the box."""
        return max(self.box[2], self.box[3])

    @property
    def eye_distance(self) -> float:
        """Pixels between the eyes."""
        return float(np.linalg.norm(self.landmarks[1] - self.landmarks[0]))


class FaceDetector:
    """Owns the model; one for each process, used by one thread."""

    def __init__(self, assets: Path, *, side: int, min_score: float, max_faces: int) -> None:
        """Load the model.

        Raises:
            FileNotFoundError: ``assets`` does not hold the model file.
        """
        model = assets / MODEL_FILE
        if not model.is_file():
            raise FileNotFoundError(f"{model} is missing: fetch the assets, or set TELLTALE_PREPROCESS_ASSETS")
        self._side = side
        self._max_faces = max_faces
        self._model = MpFaceDetector.create_from_options(
            FaceDetectorOptions(
                base_options=BaseOptions(model_asset_path=str(model)), min_detection_confidence=min_score
            )
        )

    def close(self) -> None:
        """Release the model; MediaPipe does not survive being collected at the interpreter's end."""
        self._model.close()

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """Faces of a picture (uint8 [height, width, 3], RGB), the largest first, searched on a smaller copy."""
        height, width = rgb.shape[:2]
        scale = min(1.0, self._side / max(height, width))
        small = rgb
        if scale < 1.0:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        found = self._model.detect(MpImage(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(small)))
        to_full = np.array([width / small.shape[1], height / small.shape[0]])
        whole = np.array([width, height], dtype=np.float64)
        faces = []
        for detection in found.detections:
            box = detection.bounding_box
            x, y = np.array([box.origin_x, box.origin_y]) * to_full
            w, h = np.array([box.width, box.height]) * to_full
            points = np.array([(point.x, point.y) for point in detection.keypoints], dtype=np.float64) * whole
            faces.append(Face((float(x), float(y), float(w), float(h)), float(detection.categories[0].score), points))
        return sorted(faces, key=lambda face: face.side, reverse=True)[: self._max_faces]
