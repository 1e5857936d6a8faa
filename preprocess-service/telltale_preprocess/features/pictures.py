"""Whole pictures, scaled to a square."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Image

from telltale_preprocess.faces.crops import resize


def fit_picture(rgb: NDArray[np.uint8], spec: Image) -> NDArray[np.uint8]:
    """The picture as uint8 [size, size, 3], RGB: stretched, cut at the centre, or centred on black."""
    height, width = rgb.shape[:2]
    if spec.fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        rgb = rgb[top : top + side, left : left + side]
    elif spec.fit == "pad":
        scale = spec.size / max(height, width)
        inner = resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = np.zeros((spec.size, spec.size, 3), dtype=np.uint8)
        top, left = (spec.size - inner.shape[0]) // 2, (spec.size - inner.shape[1]) // 2
        canvas[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return canvas
    return resize(rgb, spec.size, spec.size)
