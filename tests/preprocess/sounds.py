"""Sounds in any codec, for tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.clips import Sound


def write_sound(path: Path, sound: Sound, rate: int, codec: str) -> Path:
    """Mono, at its own rate; the container by the name's ending."""
    with av.open(str(path), "w", format={"mka": "matroska", "m4a": "mp4"}.get(path.suffix[1:])) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, :]), format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
