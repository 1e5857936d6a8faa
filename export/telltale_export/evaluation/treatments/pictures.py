"""JPEG, half size and blur of stills; the last two are kept without loss, so that nothing else happens to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale_export.errors import DataError

Picture = NDArray[np.uint8]
Apply = Callable[[Path], bytes]
BLUR_SIGMA = 1.5


def picture_treatments() -> dict[str, tuple[str, Apply]]:
    """By name: the treated file's suffix, and what makes it."""
    return {
        "JPEG 75": (".jpg", lambda path: _encoded(_read(path), ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 75])),
        "JPEG 50": (".jpg", lambda path: _encoded(_read(path), ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 50])),
        "half size": (".png", lambda path: _encoded(half_size(_read(path)), ".png", [])),
        "blur": (".png", lambda path: _encoded(blur(_read(path)), ".png", [])),
    }


def half_size(picture: Picture) -> Picture:
    """Half as wide and high, to even numbers."""
    height, width = (max(2, side // 4 * 2) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def blur(picture: Picture) -> Picture:
    """Gaussian blur of 1.5 pixels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), BLUR_SIGMA), dtype=np.uint8)


def _read(path: Path) -> Picture:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise DataError(f"{path} is no picture that can be decoded.", "Replace it, or take it out.")
    return np.asarray(picture, dtype=np.uint8)


def _encoded(picture: Picture, suffix: str, options: list[int]) -> bytes:
    done, content = cv2.imencode(suffix, picture, options)
    if not done:
        raise RuntimeError(f"OpenCV could not write {suffix}")
    return content.tobytes()
