"""Golden inputs of the face detectors: crops of the public-domain portrait, of its forgery, and noise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale_export.faces.degradation import encode_jpeg
from telltale_export.samples.portrait import BOX, forge, read_portrait

SOURCE = "crops of a public-domain portrait (Eileen Collins, NASA; as scikit-image carries it), of its blend, and noise"


def golden_pictures(portrait: Path, margin: float, size: int) -> NDArray[np.uint8]:
    """uint8 [6, size, size, 3]: the face, its blend, both mirrored and as JPEG 50, grey, and uniform noise.

    Raises:
        DataError: the portrait is not there.
    """
    genuine = read_portrait(portrait)
    faces = [_crop(picture, margin, size) for picture in (genuine, forge(genuine).forged)]
    worse = [np.ascontiguousarray(encode_jpeg(face, 50)[:, ::-1]) for face in faces]
    grey = np.full((size, size, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return np.stack([*faces, *worse, grey, noise]).astype(np.uint8)


def _crop(picture: NDArray[np.uint8], margin: float, size: int) -> NDArray[np.uint8]:
    x, y, width, height = BOX
    side = round(max(width, height) * margin)
    left, top = round(x + width / 2 - side / 2), round(y + height / 2 - side / 2)
    patch = picture[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(patch, (size, size), interpolation=method), dtype=np.uint8)
