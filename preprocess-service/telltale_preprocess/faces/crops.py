"""Cut square crops around faces out of the full picture."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import FaceClip, FaceCrop

from telltale_preprocess.faces.detector import Face
from telltale_preprocess.media.planar import Rgb
from telltale_preprocess.media.scaling import area_average


def cut_face(rgb: Rgb, face: Face, spec: FaceCrop | FaceClip) -> NDArray[np.uint8]:
    """One crop as the spec says: uint8 [size, size, 3], RGB."""
    if spec.fit != "square":
        return _cut_box(rgb, face, spec)
    angle = eye_angle(face) if spec.align == "eyes" else 0.0
    return cut_square(rgb, face.centre, face.side * spec.margin, spec.size, angle)


def cut_square(rgb: Rgb, centre: tuple[float, float], side: float, size: int, angle: float = 0.0) -> NDArray[np.uint8]:
    """A square of ``side`` pixels about ``centre``, turned by ``angle`` degrees, as uint8 [size, size, 3].

    Beyond the picture its border is replicated. Shrinking averages areas, so that detail does not alias.
    """
    whole = max(1, round(side))
    if abs(angle) < 0.1:
        patch = _patch(rgb, round(centre[0] - whole / 2), round(centre[1] - whole / 2), whole)
    else:
        # The turned square lies inside a straight one that is sqrt(2) as wide; only that part is turned.
        wide = math.ceil(whole * math.sqrt(2)) + 2
        x, y = round(centre[0] - wide / 2), round(centre[1] - wide / 2)
        around = _patch(rgb, x, y, wide)
        turn = cv2.getRotationMatrix2D((centre[0] - x - 0.5, centre[1] - y - 0.5), angle, 1.0)
        turn[0, 2] += (whole - 1) / 2 - (centre[0] - x - 0.5)
        turn[1, 2] += (whole - 1) / 2 - (centre[1] - y - 0.5)
        patch = np.asarray(
            cv2.warpAffine(around, turn, (whole, whole), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
            dtype=np.uint8,
        )
    return resize(patch, size, size)


def pad_to_square(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Scale the longer side to ``size`` and centre the picture on black: uint8 [size, size, 3]."""
    height, width = picture.shape[:2]
    scale = size / max(height, width)
    inner = resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = np.zeros((size, size, 3), dtype=np.uint8)
    top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
    canvas[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return canvas


def resize(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Scale a picture: area averages when it shrinks, linear when it grows."""
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    # Areas of two by two are averaged ten times as fast as others, and averages of averages are averages.
    while picture.shape[0] >= 2 * height and picture.shape[1] >= 2 * width:
        picture = area_average(picture, picture.shape[1] // 2, picture.shape[0] // 2)
    if width <= picture.shape[1] and height <= picture.shape[0]:
        return area_average(picture, width, height)
    shrinks = width * height < picture.shape[0] * picture.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.uint8)


def _cut_box(rgb: Rgb, face: Face, spec: FaceCrop | FaceClip) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    half_width, half_height = face.box[2] * spec.margin / 2, face.box[3] * spec.margin / 2
    left, top = max(0, round(face.centre[0] - half_width)), max(0, round(face.centre[1] - half_height))
    left, top = min(left, width - 1), min(top, height - 1)
    right = min(width, max(left + 1, round(face.centre[0] + half_width)))
    bottom = min(height, max(top + 1, round(face.centre[1] + half_height)))
    inside = rgb[top:bottom, left:right]
    return pad_to_square(inside, spec.size) if spec.fit == "pad" else resize(inside, spec.size, spec.size)


def _patch(rgb: Rgb, x: int, y: int, side: int) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    left, top = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    right, bottom = max(min(x + side, width), left + 1), max(min(y + side, height), top + 1)
    inside = rgb[top:bottom, left:right]
    if inside.shape[:2] == (side, side):
        return inside
    before_x, before_y = min(max(left - x, 0), side - 1), min(max(top - y, 0), side - 1)
    after_x, after_y = side - before_x - inside.shape[1], side - before_y - inside.shape[0]
    return np.asarray(
        cv2.copyMakeBorder(inside, before_y, after_y, before_x, after_x, cv2.BORDER_REPLICATE), dtype=np.uint8
    )


def eye_angle(face: Face) -> float:
    """Degrees clockwise by which the line from the right eye to the left falls."""
    right, left = face.landmarks[0], face.landmarks[1]
    return math.degrees(math.atan2(left[1] - right[1], left[0] - right[0]))
