"""Animated WebP, which libavformat reads as its first picture only: times from its chunks, frames from Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from telltale_preprocess.errors import DamagedMedia, MediaTooLong
from telltale_preprocess.media.still import decode_still, exif_rotation
from telltale_preprocess.media.timeline import Timeline
from telltale_preprocess.media.video import Picture

_FIRST_CHUNK = 12
_CHUNK_HEADER = 8
_SHORTEST_MS = 1


def animation_timeline(file: BinaryIO, max_duration_s: float) -> Timeline:
    """When each frame of an animated WebP is shown, by the headers of its ANMF chunks (RFC 9649, 2.7.1.2).

    Raises:
        DamagedMedia: it holds no frame.
        MediaTooLong: it lasts longer than ``max_duration_s``.
    """
    lengths = np.array([max(_SHORTEST_MS, length) for length in _frame_lengths(file)], dtype=np.float64) / 1000.0
    if not len(lengths):
        raise DamagedMedia("It is an animated WebP without a frame.")
    ends = np.cumsum(lengths)
    if ends[-1] > max_duration_s:
        raise MediaTooLong(f"It lasts {ends[-1]:.1f} s; at most {max_duration_s:.0f} s are allowed.")
    every = np.arange(len(lengths), dtype=np.int64)
    return Timeline(times=ends - lengths, origin=0.0, keys=every, duration_s=float(ends[-1]), stamped=True)


def decode_animation(picture: Image.Image, timeline: Timeline, targets: NDArray[np.int64]) -> Iterator[Picture]:
    """Yield the frames wanted, in order; each frame of a WebP builds on those before it, so all are decoded.

    Raises:
        DamagedMedia: a frame cannot be decoded.
    """
    rotation = exif_rotation(picture)
    for target in targets.tolist():
        try:
            picture.seek(target)
        except EOFError as error:
            raise DamagedMedia(f"Frame {target} of the animation is missing: {error}.") from error
        yield Picture(target, float(timeline.times[target]), decode_still(picture), rotation)


def _frame_lengths(file: BinaryIO) -> Iterator[int]:
    """Milliseconds of each frame."""
    file.seek(_FIRST_CHUNK)
    while len(header := file.read(_CHUNK_HEADER)) == _CHUNK_HEADER:
        size = int.from_bytes(header[4:], "little")
        after = file.tell() + size + size % 2
        if header[:4] == b"ANMF":
            yield int.from_bytes(file.read(16)[12:15], "little")
        file.seek(after)
