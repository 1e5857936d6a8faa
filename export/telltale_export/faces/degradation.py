"""What media go through before they reach us: scaling, blur, noise, JPEG, H.264; drawn once, done to many alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Step = Callable[[Picture], Picture]

_SCALERS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


@dataclass(frozen=True)
class Degradation:
    """A list of steps with every choice already made, so that the two halves of a pair go through the same."""

    steps: tuple[Step, ...]
    names: tuple[str, ...]

    def __call__(self, picture: Picture) -> Picture:
        """Degrade uint8 [H, W, 3]; scaling steps change its size, everything else keeps it."""
        for step in self.steps:
            picture = step(picture)
        return picture


def draw_degradation(random: np.random.Generator, codec: str | None = None) -> Degradation:
    """Draw what happens to a picture.

    Args:
        random: decides everything.
        codec: ``none``, ``jpeg`` or ``h264`` as the last step; drawn when not given.
    """
    steps: list[tuple[str, Step]] = []
    if random.random() < 0.3:
        steps.append(("jpeg", _jpeg(int(random.integers(55, 98)))))
    if random.random() < 0.5:
        steps.append(("scale", _scale(float(random.uniform(0.5, 1.1)), _SCALERS[int(random.integers(4))])))
    if random.random() < 0.15:
        steps.append(("blur", _blur(float(random.uniform(0.3, 1.1)))))
    if random.random() < 0.2:
        steps.append(("noise", _noise(float(random.uniform(1.0, 6.0)), int(random.integers(2**31)))))
    last = codec or ("none", "jpeg", "h264")[int(random.choice(3, p=(0.15, 0.4, 0.45)))]
    if last == "jpeg":
        steps.append(("jpeg", _jpeg(int(random.integers(40, 97)))))
    elif last == "h264":
        steps.append(("h264", _h264(int(random.integers(17, 33)), int(random.integers(1, 3)))))
    return Degradation(tuple(step for _, step in steps), tuple(name for name, _ in steps))


def unchanged(picture: Picture) -> Picture:
    """The step that does nothing."""
    return picture


def cut_off(random: np.random.Generator, within: float) -> Step:
    """A picture that ends before the middle part that is looked at does: beyond, its last line is repeated.

    That is how preprocessing fills up a crop that reaches out of the picture.

    Args:
        random: decides on which sides, and how much of the part is missing there, up to a quarter.
        within: side of the middle part, of the picture's.
    """
    edge = (1.0 - within) / 2.0
    missing = np.where(random.random(4) < 0.4, random.uniform(0.02, 0.25, 4), -edge / within)
    left, top, right, bottom = edge + missing * within

    def step(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        rows = np.clip(np.arange(height), round(top * height), height - 1 - round(bottom * height))
        columns = np.clip(np.arange(width), round(left * width), width - 1 - round(right * width))
        return picture[rows[:, None], columns]

    return step


def motion_blur(picture: Picture, random: np.random.Generator) -> Picture:
    """A picture that moved in a straight line while it was taken, by 1 to 4 hundredths of its side."""
    length = max(2.0, picture.shape[0] * float(random.uniform(0.01, 0.04)))
    angle = float(random.uniform(0.0, np.pi))
    side = 2 * int(np.ceil(length / 2)) + 1
    middle = side // 2
    reach = np.array((np.cos(angle), np.sin(angle))) * length / 2
    start, end = (tuple(round(float(middle + sign * part)) for part in reach) for sign in (-1, 1))
    kernel = cv2.line(np.zeros((side, side), np.float32), start, end, 1.0, 1, cv2.LINE_AA)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8)


def encode_h264(frames: Sequence[Picture], crf: int) -> list[Picture]:
    """Frames of one even size through x264 (veryfast, no B-frames) and back."""
    height, width = frames[0].shape[:2]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency", "threads": "1", "bf": "0"}
    packets = [p for frame in frames for p in encoder.encode(av.VideoFrame.from_ndarray(frame, format="rgb24"))]
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    decoded += decoder.decode(None)
    return [np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8) for frame in decoded]


def encode_jpeg(picture: Picture, quality: int) -> Picture:
    """A picture through JPEG of that quality (1 to 100) and back."""
    done, coded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR) if done else None
    if decoded is None:
        raise RuntimeError("OpenCV could not write a JPEG")
    return np.ascontiguousarray(decoded[:, :, ::-1], dtype=np.uint8)


def _jpeg(quality: int) -> Step:
    return lambda picture: encode_jpeg(picture, quality)


def _scale(factor: float, interpolation: int) -> Step:
    def step(picture: Picture) -> Picture:
        side = max(64, int(picture.shape[0] * factor) // 2 * 2)
        return np.asarray(cv2.resize(picture, (side, side), interpolation=interpolation), dtype=np.uint8)

    return step


def _blur(sigma: float) -> Step:
    return lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8)


def _noise(sigma: float, seed: int) -> Step:
    def step(picture: Picture) -> Picture:
        grain = np.random.default_rng(seed).standard_normal(picture.shape, np.float32) * np.float32(sigma)
        return np.clip(picture + grain, 0, 255).astype(np.uint8)

    return step


def _h264(crf: int, frames: int) -> Step:
    def step(picture: Picture) -> Picture:
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        even = np.ascontiguousarray(picture[:height, :width])
        # A second frame, moved by a pixel, is predicted from the first, as most frames of a video are.
        earlier = [np.roll(even, shift, axis=1) for shift in range(frames - 1, 0, -1)]
        return encode_h264([*earlier, even], crf)[-1]

    return step
