"""Decoded frames of which only what is asked for becomes RGB.

A face is a tenth of a picture, and its detector looks at a ninth of the pixels: converting the rest would take as long
as a twentieth of the decoding.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

_FORMATS = frozenset({"yuv420p", "yuvj420p"})


class PlanarPicture:
    """An upright 4:2:0 frame that is sliced like its RGB array, uint8 [height, width, 3], and holds none."""

    def __init__(self, frame: VideoFrame, matrix: Colorspace) -> None:
        self._frame = frame
        self._matrix = matrix
        self._planes = [_plane(frame, place) for place in range(3)]
        self._reduced: dict[tuple[int, int], NDArray[np.uint8]] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, 3."""
        return self._frame.height, self._frame.width, 3

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[np.uint8]:
        """A rectangle as RGB, equal to that of the whole picture's array."""
        (top, bottom, _), (left, right, _) = (
            part.indices(length) for part, length in zip(region, self.shape[:2], strict=True)
        )
        # Two by two pixels share their colour.
        up, aside = top - top % 2, left - left % 2
        luma, *chroma = self._planes
        down, across = bottom + bottom % 2, right + right % 2
        parts = [luma[up:down, aside:across]]
        parts += [plane[up // 2 : down // 2, aside // 2 : across // 2] for plane in chroma]
        return self._to_rgb(parts)[top - up : bottom - up, left - aside : right - aside]

    def reduced(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole picture, smaller: uint8 [height, width, 3]. Must not be written to."""
        if (width, height) not in self._reduced:
            even = (width + width % 2, height + height % 2)
            luma, *chroma = self._planes
            parts = [shrink(luma, *even), *(shrink(plane, even[0] // 2, even[1] // 2) for plane in chroma)]
            self._reduced[width, height] = shrink(self._to_rgb(parts), width, height)
        return self._reduced[width, height]

    def _to_rgb(self, planes: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        height, width = planes[0].shape
        whole = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
        frame = VideoFrame.from_ndarray(whole, format=self._frame.format.name)
        frame.color_range = self._frame.color_range
        rgb = frame.reformat(
            format="rgb24", src_colorspace=self._matrix, dst_color_range=ColorRange.JPEG, threads=1
        ).to_ndarray()
        return np.asarray(rgb, dtype=np.uint8)


Rgb: TypeAlias = NDArray[np.uint8] | PlanarPicture
"""A picture as uint8 [height, width, 3], RGB, or one that is sliced as if it were."""


def can_stay_planar(frame: VideoFrame) -> bool:
    """Whether a frame's parts can be converted alone: 4:2:0 of 8 bits, whole pictures, even sides."""
    even = frame.width % 2 == 0 and frame.height % 2 == 0
    return even and frame.format.name in _FORMATS and not frame.interlaced_frame


def reduced(rgb: Rgb, side: int) -> NDArray[np.uint8]:
    """The whole picture, its longer side ``side`` pixels at most: uint8 [height, width, 3], not to be written to."""
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    if scale >= 1.0:
        return whole(rgb)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return rgb.reduced(*size) if isinstance(rgb, PlanarPicture) else shrink(rgb, *size)


def whole(rgb: Rgb) -> NDArray[np.uint8]:
    """All of a picture as an array."""
    return rgb[:, :] if isinstance(rgb, PlanarPicture) else rgb


def shrink(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A smaller copy of a picture or of one plane.

    Halving averages areas fast; less than a half is left to interpolation. One average over odd areas takes thrice as
    long, and faces are found as well without.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    while pixels.shape[1] >= 2 * width and pixels.shape[0] >= 2 * height:
        half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        pixels = np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _plane(frame: VideoFrame, place: int) -> NDArray[np.uint8]:
    plane = frame.planes[place]
    rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, plane.line_size)
    inside: NDArray[np.uint8] = rows[:, : plane.width]
    return inside
