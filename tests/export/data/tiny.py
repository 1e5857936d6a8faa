"""Media as small as they can be, each with a content of its own."""

from __future__ import annotations

import wave
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def tiny(path: Path, content: str | None = None) -> Path:
    """Write a picture, film or sound, told by the name's suffix; equal ``content`` gives equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(zlib.crc32((content or str(path)).encode()))
    if path.suffix == ".png":
        assert cv2.imwrite(str(path), random.integers(0, 256, (8, 8, 3), np.uint8))
    elif path.suffix == ".mp4":
        _film(path, random)
    else:
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(16_000)
            sound.writeframes(random.integers(-99, 99, 160, np.int16).tobytes())
    return path


def _film(path: Path, random: np.random.Generator) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.width = stream.height = 16
        picture = av.VideoFrame.from_ndarray(random.integers(0, 256, (16, 16, 3), np.uint8))
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
