"""Decoded video frames to upright RGB, with the colour matrix that the stream means."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.buffer import Buffer
from av.filter import Graph
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

from telltale_preprocess.media.planar import PlanarPicture, Rgb, can_stay_planar

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
_FLATTEST = Fraction(1, 4)
_SQUARE = 0.01
_MAX_SIDE_DATA = 64
_ROWS = 64


@dataclass(frozen=True)
class Turn:
    """How pictures are brought upright: rows and columns exchanged first, then either of them reversed."""

    exchanged: bool = False
    down: int = 1
    across: int = 1


class Turns:
    """The turns of one stream, by the rotation of its frames.

    A display matrix is read once for all frames of a rotation: PyAV ties a frame whose side data was asked for into a
    cycle, and whole pictures would wait in memory for the garbage collector.
    """

    def __init__(self) -> None:
        self._known: dict[float, Turn] = {}

    def of(self, frame: VideoFrame) -> Turn:
        """How this frame is to be turned."""
        if frame.rotation not in self._known:
            self._known[frame.rotation] = _read_turn(frame)
        return self._known[frame.rotation]


def to_rgb(frame: VideoFrame, turn: Turn) -> Rgb:
    """The frame as uint8 [height, width, 3], RGB, turned and mirrored; as an array only where it cannot stay planar.

    A stream that does not say its matrix is BT.709 from 720 lines on and BT.601 below, as players assume. Of an
    interlaced frame the upper field is taken, stretched to the full height: the other one shows another moment.
    """
    guess = Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
    matrix = _MATRICES.get(frame.colorspace, guess)
    if turn == Turn() and can_stay_planar(frame):
        return PlanarPicture(frame, matrix)
    return _whole_rgb(frame, None if frame.format.is_rgb else matrix, turn)


def _whole_rgb(frame: VideoFrame, matrix: Colorspace | None, turn: Turn) -> NDArray[np.uint8]:
    see_through = any(component.is_alpha for component in frame.format.components)
    rgb = (_upper_field(frame) if frame.interlaced_frame else frame).reformat(
        width=frame.width,
        height=frame.height,
        format="rgba" if see_through else "rgb24",
        src_colorspace=matrix,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BICUBIC if frame.interlaced_frame else None,
        threads=1,
    )
    picture = np.asarray(rgb.to_ndarray(), dtype=np.uint8)
    if see_through:
        picture = _on_white(picture)
    if turn.exchanged:
        picture = picture.transpose(1, 0, 2)
    return np.ascontiguousarray(picture[:: turn.down, :: turn.across])


def display_width(width: int, aspect: Fraction | None) -> int:
    """How wide a picture of ``width`` pixels is shown, each of them ``aspect`` times as wide as high; an aspect that no
    camera has is taken for an error of the file."""
    if aspect is None or not _FLATTEST <= aspect <= 1 / _FLATTEST or abs(aspect - 1) < _SQUARE:
        return width
    return max(2, 2 * round(width * aspect / 2))


def to_square_pixels(frame: VideoFrame, aspect: Fraction | None) -> VideoFrame:
    """The frame as wide as it is shown. Only lines are stretched: those of one field stay with their field."""
    width = display_width(frame.width, aspect)
    if width == frame.width:
        return frame
    return frame.reformat(width=width, interpolation=Interpolation.BICUBIC, threads=1)


def clockwise_rotation(frame: VideoFrame) -> int:
    """Degrees clockwise, a quarter turn or a multiple of it, by which the frame is to be turned for display."""
    return round(-frame.rotation / 90) * 90 % 360


def _without_unknown_side_data(frame: VideoFrame) -> VideoFrame:
    # PyAV reads all of a frame's side data or none, and does not know every kind that libavutil has, EXIF among them.
    deleted = (("sidedata", f"mode=delete:type={kind}") for kind in range(len(SideDataType), _MAX_SIDE_DATA))
    return _filtered(frame, *deleted)


def _filtered(frame: VideoFrame, *filters: tuple[str, str]) -> VideoFrame:
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1)),
        *(graph.add(name, options) for name, options in filters),
        graph.add("buffersink"),
    ).configure()
    graph.vpush(frame)
    return graph.vpull()


def _on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # As stills do, and as most players show it.
    laid = np.empty((*rgba.shape[:2], 3), dtype=np.uint8)
    for top in range(0, len(rgba), _ROWS):
        # A few rows at a time: the products take twice the picture's memory.
        part = rgba[top : top + _ROWS].astype(np.uint16)
        alpha = part[..., 3:]
        laid[top : top + _ROWS] = (part[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return laid


def _upper_field(frame: VideoFrame) -> VideoFrame:
    # Before any conversion, since the lines of colour belong to fields too.
    return _filtered(frame, ("field", "top"))


def _read_turn(frame: VideoFrame) -> Turn:
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        matrix = _without_unknown_side_data(frame).side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, Buffer):
        return Turn()
    # The matrix sends x, y to a x + c y, b x + d y (ISO/IEC 14496-12, 6.2.2); only quarter turns and mirrors are
    # applied, so only signs matter.
    a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5].tolist()
    exchanged = abs(b) > abs(a)
    across, down = (c, b) if exchanged else (a, d)
    return Turn(exchanged, -1 if down < 0 else 1, -1 if across < 0 else 1)
