"""A still picture as a film: the camera wanders and zooms over it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

FPS = 25
SECONDS = 7
WIDTH, HEIGHT = 640, 480
CRF = 20


def camera(picture: NDArray[np.uint8], middle: tuple[float, float]) -> Iterator[NDArray[np.uint8]]:
    """Frames uint8 [480, 640, 3] of a slow walk about ``middle`` (x, y in pixels); the same for every picture."""
    for index in range(FPS * SECONDS):
        phase = 2 * np.pi * index / (FPS * SECONDS)
        x = middle[0] + 22 * np.sin(phase)
        y = middle[1] + 50 + 12 * np.sin(2 * phase)
        zoom = 1.75 - 0.2 * np.cos(phase)
        view = np.array([[zoom, 0, WIDTH / 2 - zoom * x], [0, zoom, HEIGHT / 2 - zoom * y]])
        frame = cv2.warpAffine(picture, view, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        yield np.asarray(frame, dtype=np.uint8)


def write_clip(frames: Iterator[NDArray[np.uint8]], path: Path) -> None:
    """Encode frames as H.264 in MP4; one thread, so that the same frames give the same file."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.options = {"crf": str(CRF), "preset": "veryfast", "threads": "1"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
