"""Short films for evaluation: a face's chips, genuine and forged, through H.264 alike, then cut as they are served."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale_export.faces.blending import Picture, self_blend
from telltale_export.faces.chips import CHIP, FaceSet, cut, scaled
from telltale_export.faces.degradation import encode_h264

FRAMES = 8
# The last of each two frames: none of them is the key frame, which alone is coded without prediction.
KEPT = slice(1, FRAMES, 2)
Film = NDArray[np.uint8]


def blend_films(
    faces: FaceSet, indices: Sequence[int], margin: float, size: int, random: np.random.Generator
) -> tuple[Film, Film]:
    """One genuine film and its forged twin, blended the same way in every frame; uint8 [4, size, size, 3] each.

    Args:
        faces: with meshes.
        indices: one still, over which the camera then wanders, or the frames of one video in order.
        margin, size: of the crops.
        random: decides everything.
    """
    side = _side(faces, indices, random)
    seed = int(random.integers(2**31))
    chosen = [indices[i] for i in np.linspace(0, len(indices) - 1, FRAMES).round().astype(int)]
    blends = []
    for index in dict.fromkeys(chosen):
        chip, points = scaled(faces.chips[index], faces.points[index], side)
        blends.append(self_blend(chip, points, np.random.default_rng(seed)))
    genuine, forged = [b.genuine for b in blends], [b.forged for b in blends]
    crf, walk = int(random.integers(19, 31)), _walk(random, side if len(blends) == 1 else 0)
    return _film(genuine, walk, crf, margin, size), _film(forged, walk, crf, margin, size)


def still_film(faces: FaceSet, index: int, margin: float, size: int, random: np.random.Generator) -> Film:
    """The camera wandering over one still: uint8 [4, size, size, 3]."""
    side = _side(faces, [index], random)
    chip, _ = scaled(faces.chips[index], faces.points[index], side)
    return _film([chip], _walk(random, side), int(random.integers(19, 31)), margin, size)


def _side(faces: FaceSet, indices: Sequence[int], random: np.random.Generator) -> int:
    largest = min(180.0, *(faces.faces[index].side for index in indices), 180.0)
    return int(CHIP.margin * random.uniform(min(90.0, largest), largest)) // 2 * 2


def _walk(random: np.random.Generator, side: int) -> list[NDArray[np.float64]]:
    # One affine map for each frame: a slow drift and zoom, none at all where the face moves by itself.
    drift = random.uniform(-0.04, 0.04, 2) * side
    zoom = random.uniform(-0.05, 0.05) if side else 0.0
    maps = []
    for step in np.linspace(-0.5, 0.5, FRAMES):
        turn = cv2.getRotationMatrix2D((side / 2, side / 2), 0.0, 1.0 + zoom * step)
        view = np.array(turn, dtype=np.float64)
        view[:, 2] += drift * step
        maps.append(view)
    return maps


def _film(pictures: Sequence[Picture], walk: Sequence[NDArray[np.float64]], crf: int, margin: float, size: int) -> Film:
    frames = []
    for step, view in enumerate(walk):
        picture = pictures[step * len(pictures) // len(walk)]
        shape = (picture.shape[1], picture.shape[0])
        moved = cv2.warpAffine(picture, view, shape, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        frames.append(np.asarray(moved, dtype=np.uint8))
    return np.stack([cut(frame, margin, size) for frame in encode_h264(frames, crf)[KEPT]])
