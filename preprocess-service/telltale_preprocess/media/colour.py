"""Decoded video frames to upright RGB, with the colour matrix that the stream means."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

# AVCOL_SPC_* as streams say it -> the matrix as swscale names it.
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
_HD_HEIGHT = 720


def to_rgb(frame: VideoFrame) -> NDArray[np.uint8]:
    """The frame as uint8 [height, width, 3], RGB, upright.

    A stream that does not say its matrix is BT.709 from 720 lines on and BT.601 below, as players assume.
    """
    matrix = None
    if not frame.format.is_rgb:
        guess = Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
        matrix = _MATRICES.get(frame.colorspace, guess)
    rgb = frame.reformat(format="rgb24", src_colorspace=matrix, dst_color_range=ColorRange.JPEG, threads=1)
    return upright(np.asarray(rgb.to_ndarray(), dtype=np.uint8), frame.rotation)


def upright(picture: NDArray[np.uint8], rotation: int) -> NDArray[np.uint8]:
    """Turn a picture by ``rotation`` degrees counter-clockwise, as a display matrix asks; to quarter turns only."""
    turns = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
