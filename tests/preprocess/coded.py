"""Videos whose every frame says which one it is, so that a test can see what was really decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from tests.clips import Picture

_BITS = 10
_CELL = 16


def coded_picture(number: int, width: int = 160, height: int = 48) -> Picture:
    """Grey, with the number as black and white cells along the top."""
    picture = np.full((height, width, 3), 128, dtype=np.uint8)
    for bit in range(_BITS):
        picture[:_CELL, bit * _CELL : (bit + 1) * _CELL] = 235 if number >> bit & 1 else 20
    return picture


def read_code(picture: Picture) -> int:
    """The number of a decoded frame."""
    half = _CELL // 2
    return sum(int(picture[half, bit * _CELL + half].mean() > 128) << bit for bit in range(_BITS))


def write_coded(
    path: Path,
    times: Sequence[float],
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
    prepare: Callable[[VideoStream], None] = lambda _: None,
    draw: Callable[[int], Picture] = coded_picture,
) -> Path:
    """A video of ``len(times)`` frames shown at those seconds, on a clock of 1/1000 s where the container allows."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        first = draw(0)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pixel_format
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        prepare(stream)
        for number, seconds in enumerate(times):
            frame = av.VideoFrame.from_ndarray(draw(number), "rgb24")
            frame.pts, frame.time_base = round(seconds * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def steady(count: int, fps: float = 25.0) -> list[float]:
    """Times of frames at a constant rate."""
    return [number / fps for number in range(count)]
