"""Find faces in one picture with MediaPipe's detectors (BlazeFace, Bazarevsky et al. 2019).

The full-range model finds small faces, but misses four of ten that fill the picture. Where it finds nothing it is shown
the picture with a wide border, which makes such a face smaller and keeps its kind of box; what is still not found then
is left to the short-range model, made for selfies.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from mediapipe import Image as MpImage
from mediapipe import ImageFormat
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.vision import FaceDetector as MpFaceDetector
from mediapipe.tasks.python.vision import FaceDetectorOptions
from numpy.typing import NDArray

from telltale_preprocess.media.planar import Rgb, reduced, whole

FULL_RANGE_FILE = "face_detection_full_range_sparse.tflite"
SHORT_RANGE_FILE = "face_detection_short_range.tflite"
_BORDERED = 2
_TILE_SHARE = 0.6
_TILE_OVERLAP = 0.15
# Panoramas are up to ten times as long as high, twelve tiles. Without an end a strip of a few kilobytes, 16 pixels by
# some hundred thousand, would have tens of thousands of tiles, each searched by a model.
_MAX_TILES = 32


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

    def moved(self, x: float, y: float) -> Face:
        """The same face in a picture in which it lies further right and down."""
        box = (self.box[0] + x, self.box[1] + y, self.box[2], self.box[3])
        return Face(box, self.score, self.landmarks + np.array([x, y]))

    @property
    def eye_distance(self) -> float:
        """Pixels between the eyes."""
        return math.dist(self.landmarks[0], self.landmarks[1])


class FaceDetector:
    """Owns the models; one for each process, used by one thread. A context manager that releases them."""

    def __init__(self, assets: Path, *, side: int, min_score: float, max_faces: int) -> None:
        """Load the models.

        Raises:
            FileNotFoundError: ``assets`` does not hold a model file.
        """
        self._side = side
        self._max_faces = max_faces
        with ExitStack() as models:
            self._full_range = models.enter_context(_load(assets / FULL_RANGE_FILE, min_score))
            self._short_range = models.enter_context(_load(assets / SHORT_RANGE_FILE, min_score))
            self._models = models.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the models, once or again; MediaPipe hangs the interpreter when it is collected unclosed."""
        self._models.close()

    def detect(self, rgb: Rgb) -> list[Face]:
        """Faces of a picture (uint8 [height, width, 3], RGB), the largest first, searched on a smaller copy."""
        small = reduced(rgb, self._side)
        faces = self._search(self._full_range, rgb, small, border=0)
        if not faces:
            framed = reduced(rgb, self._side // _BORDERED)
            faces = self._search(self._full_range, rgb, framed, border=max(framed.shape) // _BORDERED)
        if not faces:
            faces = self._search(self._short_range, rgb, small, border=0)
        return sorted(faces, key=lambda face: face.side, reverse=True)[: self._max_faces]

    def detect_on_tiles(self, rgb: Rgb) -> list[Face]:
        """Faces of a picture's overlapping square tiles: smaller ones than ``detect`` sees, in pixels of the picture.

        One face may be found on several tiles. What crosses an edge that a tile does not share with the picture is left
        out: another tile holds it whole, or it is large enough for ``detect``.
        """
        found = []
        every = whole(rgb)
        for x, y, side in tiles(*rgb.shape[:2]):
            tile = every[y : y + side, x : x + side]
            for face in self._search(self._full_range, tile, reduced(tile, self._side), border=0):
                moved = face.moved(x, y)
                if _is_whole(moved.box, (x, y, side), rgb):
                    found.append(moved)
        return found

    @staticmethod
    def _search(model: MpFaceDetector, rgb: Rgb, small: NDArray[np.uint8], *, border: int) -> list[Face]:
        """Search a smaller copy with a black border of so many pixels; the faces in pixels of ``rgb``."""
        shown = cv2.copyMakeBorder(small, border, border, border, border, cv2.BORDER_CONSTANT) if border else small
        found = model.detect(MpImage(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(shown))).detections
        scale = np.array([rgb.shape[1] / small.shape[1], rgb.shape[0] / small.shape[0]])
        whole = np.array([shown.shape[1], shown.shape[0]])
        faces = []
        for each in found:
            box = each.bounding_box
            x, y = (np.array([box.origin_x, box.origin_y]) - border) * scale
            width, height = np.array([box.width, box.height]) * scale
            points = np.array([(point.x, point.y) for point in each.keypoints], dtype=np.float64)
            place = (float(x), float(y), float(width), float(height))
            faces.append(Face(place, float(each.categories[0].score), (points * whole - border) * scale))
        return faces


def tiles(height: int, width: int) -> list[tuple[int, int, int]]:
    """Overlapping squares that cover a picture, as x, y and side: as few as show a face 1.6 times as large.

    Of a picture over 27 times as long as wide they are larger and reach beyond its long edges, so that 32 cover it.
    """
    longer = max(height, width)
    fewest = math.ceil(longer / (_MAX_TILES * (1.0 - _TILE_OVERLAP) + _TILE_OVERLAP))
    side = max(fewest, min(height, width, round(_TILE_SHARE * longer)))
    across, down = (_tile_starts(length, side) for length in (width, height))
    return [(x, y, side) for y in down for x in across]


def _tile_starts(length: int, side: int) -> list[int]:
    count = max(1, math.ceil((length - _TILE_OVERLAP * side) / (side * (1.0 - _TILE_OVERLAP))))
    return [round(start) for start in np.linspace(0, length - side, count)]


def _is_whole(box: tuple[float, float, float, float], tile: tuple[int, int, int], rgb: Rgb) -> bool:
    x, y, side = tile
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    return (
        (left >= x or x == 0)
        and (top >= y or y == 0)
        and (right <= x + side or x + side == rgb.shape[1])
        and (bottom <= y + side or y + side == rgb.shape[0])
    )


def _load(model: Path, min_score: float) -> MpFaceDetector:
    if not model.is_file():
        raise FileNotFoundError(f"{model} is missing: fetch the assets, or set TELLTALE_PREPROCESS_ASSETS")
    base = BaseOptions(model_asset_path=str(model))
    return MpFaceDetector.create_from_options(
        FaceDetectorOptions(base_options=base, min_detection_confidence=min_score)
    )
