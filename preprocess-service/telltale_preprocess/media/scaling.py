"""Scale pictures by area averages, as OpenCV defines them, by swscale where OpenCV is slow.

OpenCV averages areas of two by two ten times as fast as any others. Those others swscale averages two to three times as
fast. It walks by a step rounded to 1/65536 of a pixel, which adds up over a row: of noise of full contrast no value was
more than three levels beside OpenCV's up to 600 pixels a side, but 7 at 2000 and 19 at 4000, each colour differently.
"""

from __future__ import annotations

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

# Beyond, filters become long and swscale has no advantage; such a stretch is rare.
_MAX_RATIO = 4
_MAX_SIDE = 600
_SLACK = 64


def area_average(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A smaller copy of a picture: uint8 [height, width, 3], from one at least as high and as wide."""
    rows, columns = picture.shape[:2]
    halves = rows == 2 * height and columns == 2 * width
    large = max(rows, columns) > _MAX_SIDE
    if halves or large or rows > _MAX_RATIO * height or columns > _MAX_RATIO * width:
        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    # The three colours beside each other are one grey picture: no area reaches over the seams.
    beside = buffer(rows, 3 * columns)
    cv2.split(picture, [beside[:, place * columns : (place + 1) * columns] for place in range(3)])
    small = VideoFrame.from_numpy_buffer(beside, format="gray").reformat(
        width=3 * width, height=height, interpolation=Interpolation.AREA, threads=1
    )
    grey = plane_pixels(small, 0)
    return np.asarray(cv2.merge([grey[:, place * width : (place + 1) * width] for place in range(3)]), dtype=np.uint8)


def buffer(rows: int, columns: int) -> NDArray[np.uint8]:
    """uint8 [rows, columns] to be filled and shown to swscale, which may read a little beyond the end."""
    memory = np.empty(rows * columns + _SLACK, dtype=np.uint8)
    return memory[: rows * columns].reshape(rows, columns)


def plane_pixels(frame: VideoFrame, place: int) -> NDArray[np.uint8]:
    """One plane of a frame as uint8 [height, bytes of a row], in the frame's own memory."""
    plane = frame.planes[place]
    rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, plane.line_size)
    channels = 3 if frame.format.name == "rgb24" else 1
    return rows[:, : plane.width * channels]
