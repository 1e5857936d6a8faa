"""Chromaticity histograms of a face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import ChromaHistogram

from telltale_preprocess.media.planar import Rgb

# Makes black, which has no chromaticity, grey.
_OFFSET = 1e-6


def chroma_histogram(rgb: Rgb, box: tuple[float, float, float, float], spec: ChromaHistogram) -> NDArray[np.float32]:
    """One histogram, float32 [bins, bins], of the region around a box (x, y, width, height) of a picture."""
    height, width = rgb.shape[:2]
    x, y, across, down = box
    left, top = min(max(int(x) - spec.padding, 0), width - 1), min(max(int(y) - spec.padding, 0), height - 1)
    right = min(max(int(x + across) + spec.padding, left + 1), width)
    bottom = min(max(int(y + down) + spec.padding, top + 1), height)
    region = rgb[top:bottom, left:right].reshape(-1, 3).astype(np.float32) + np.float32(_OFFSET)
    shares = region[:, :2] / region.sum(axis=1, keepdims=True)
    places = np.minimum((shares * spec.bins).astype(np.int64), spec.bins - 1)
    counts = np.bincount(places[:, 0] * spec.bins + places[:, 1], minlength=spec.bins**2).reshape(spec.bins, spec.bins)
    lowest, highest = int(counts.min()), int(counts.max())
    return ((counts - lowest) * (255.0 / max(highest - lowest, 1))).astype(np.float32)
