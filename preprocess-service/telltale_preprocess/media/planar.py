"""Decoded frames of which only what is asked for becomes RGB.

A face is a tenth of a picture, and its detector looks at a ninth of the pixels: converting the rest would take as long
as a twentieth of the decoding.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

from telltale_preprocess.media.scaling import buffer, plane_pixels

_FORMATS = frozenset({"yuv420p", "yuvj420p"})


class PlanarPicture:
    """An upright 4:2:0 frame that is sliced like its RGB array, uint8 [height, width, 3], and holds none."""

    def __init__(self, frame: VideoFrame, matrix: Colorspace) -> None:
        self._frame = frame
        self._matrix = matrix
        self._planes = [plane_pixels(frame, place) for place in range(3)]
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
        # Two by two pixels share their colour; of rows, four by four need no copy (see below).
        up, aside = top - top % 4, left - left % 2
        down, across = min(bottom + -bottom % 4, self._frame.height), right + right % 2
        parts = self._parts(aside, up, across, down)
        return self._to_rgb(parts)[top - up : bottom - up, left - aside : right - aside]

    def reduced(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole picture, smaller: uint8 [height, width, 3]. Must not be written to."""
        if (width, height) not in self._reduced:
            even = (width + width % 2, height + height % 2)
            luma, *chroma = self._planes
            parts = [shrink(luma, *even), *(shrink(plane, even[0] // 2, even[1] // 2) for plane in chroma)]
            self._reduced[width, height] = shrink(self._to_rgb(parts), width, height)
        return self._reduced[width, height]

    def glimpse(self, centre: tuple[float, float], side: float, size: int) -> NDArray[np.uint8] | None:
        """A square of some ``side`` pixels, smaller, to judge by and not to infer from: uint8 [size, size, 3].

        Its edges are right to two pixels and its colours to a few levels, for a fraction of the time. None where it
        reaches beyond the picture or would not shrink.
        """
        if side < size:
            return None
        # It is halved while it is twice as large as wanted, and colours stay two by two.
        halvings = int(side / size).bit_length() - 1
        step = 2 << halvings
        length = step * max(round(side / step), -(-size // step))
        left, top = (2 * round((middle - length / 2) / 2) for middle in centre)
        height, width, _ = self.shape
        if left < 0 or top < 0 or left + length > width or top + length > height:
            return None
        parts = self._parts(left, top, left + length, top + length)
        for _ in range(halvings):
            parts = [shrink(part, part.shape[1] // 2, part.shape[0] // 2) for part in parts]
        return self._to_rgb(parts, size)

    def _parts(self, left: int, top: int, right: int, bottom: int) -> list[NDArray[np.uint8]]:
        """What the planes hold of a rectangle with even edges."""
        luma, *chroma = self._planes
        return [
            luma[top:bottom, left:right],
            *(plane[top // 2 : bottom // 2, left // 2 : right // 2] for plane in chroma),
        ]

    def _to_rgb(self, planes: list[NDArray[np.uint8]], size: int | None = None) -> NDArray[np.uint8]:
        """Planes as RGB, [height, width, 3]; where ``size`` is given, scaled to that square."""
        height, width = planes[0].shape
        whole = buffer(height * 3 // 2, width)
        memory, filled = whole.reshape(-1), 0
        for plane in planes:
            memory[filled : filled + plane.size].reshape(plane.shape)[:] = plane
            filled += plane.size
        # PyAV takes the height of a frame that is in memory of ours for a multiple of four.
        framed = VideoFrame.from_ndarray if height % 4 else VideoFrame.from_numpy_buffer
        frame = framed(whole, format=self._frame.format.name)
        frame.color_range = self._frame.color_range
        rgb = frame.reformat(
            width=size,
            height=size,
            format="rgb24",
            src_colorspace=self._matrix,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA if size else None,
            threads=1,
        )
        return plane_pixels(rgb, 0).reshape(rgb.height, rgb.width, 3)


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
