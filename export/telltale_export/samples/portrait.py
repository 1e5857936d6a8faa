"""The portrait that scikit-image carries (Eileen Collins, NASA, public domain), and its forged twin."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale_export.errors import DataError
from telltale_export.faces.blending import Blend, compose, polygon

SIDE = 512

# The outline of the face in that portrait, x and y in its pixels, as MediaPipe's face mesh finds it. Constants, so that
# samples can be made where no face detector is installed; a test compares them with the mesh.
OUTLINE = (
    *((227, 73), (240, 74), (250, 76), (260, 80), (265, 85), (269, 91), (270, 98), (271, 107), (271, 115), (270, 123)),
    *((268, 133), (265, 142), (261, 150), (256, 156), (249, 161), (244, 165), (238, 168), (231, 170), (223, 171)),
    *((214, 169), (208, 166), (202, 163), (197, 158), (191, 152), (187, 146), (183, 138), (181, 128), (180, 118)),
    *((180, 110), (180, 102), (181, 93), (184, 87), (187, 81), (193, 76), (203, 73), (214, 73)),
)
# The face box that preprocessing finds: x, y, width, height.
BOX = (173, 67, 103, 103)


def read_portrait(path: Path) -> NDArray[np.uint8]:
    """The portrait, uint8 [512, 512, 3] RGB.

    Raises:
        DataError: the file is not there, or is another picture.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there.", "Run scripts/assets.py, which fetches it.")
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None or picture.shape != (SIDE, SIDE, 3):
        raise DataError(
            f"{path} is not the portrait of 512 x 512 pixels.", "Give the one that scripts/assets.py fetches."
        )
    return np.ascontiguousarray(picture[:, :, ::-1])


def forge(portrait: NDArray[np.uint8]) -> Blend:
    """Lay another view of the face over it: other colours, detail lost to a small generator, slightly larger."""
    middle = (BOX[0] + BOX[2] / 2, BOX[1] + BOX[3] / 2)
    small = cv2.resize(portrait, (SIDE * 5 // 8, SIDE * 5 // 8), interpolation=cv2.INTER_AREA)
    source = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    source = (source - 128) * 1.08 + 128 + np.array([4, 9, 14], np.float32)
    grow = cv2.getRotationMatrix2D(middle, 1.5, 1.04)
    grow[:, 2] += np.array([1.5, -1.0])
    shown = np.clip(source, 0, 255).astype(np.uint8)
    moved = cv2.warpAffine(shown, grow, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    outline = np.array(OUTLINE, np.float32)
    inner = (outline - outline.mean(axis=0)) * np.float32(0.94) + outline.mean(axis=0)
    mask = cv2.GaussianBlur(polygon(inner, SIDE), (0, 0), 2.0)
    mask[mask < 1 / 255] = 0.0
    return compose(np.asarray(moved, dtype=np.uint8), portrait, np.asarray(mask, dtype=np.float32))
