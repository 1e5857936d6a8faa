"""Whole pictures, scaled to a square."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import FrameClip, Image

from telltale_preprocess.faces.crops import pad_to_square, resize
from telltale_preprocess.media.planar import Rgb, whole


def fit_picture(picture: Rgb, spec: Image | FrameClip) -> NDArray[np.uint8]:
    """The picture as uint8 [size, size, 3], RGB: stretched, cut at the centre, or centred on black."""
    rgb = whole(picture)
    height, width = rgb.shape[:2]
    if spec.fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        rgb = rgb[top : top + side, left : left + side]
    elif spec.fit == "pad":
        return pad_to_square(rgb, spec.size)
    return resize(rgb, spec.size, spec.size)
