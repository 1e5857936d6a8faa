"""Media made on the fly for tests: clips of the public-domain portrait, with or without sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PORTRAIT = ROOT / ".cache/assets/astronaut.png"

Picture = NDArray[np.uint8]
Sound = NDArray[np.float32]


def portrait() -> Picture:
    """The portrait, uint8 [512, 512, 3], RGB; one face, about 100 pixels wide."""
    return np.asarray(Image.open(PORTRAIT).convert("RGB"))


def meadow(height: int = 360, width: int = 480) -> Picture:
    """A picture without anybody in it: a smooth gradient under mild noise."""
    rows = np.linspace(90, 160, height)[:, None, None] + np.zeros((1, width, 3))
    noise = np.random.default_rng(7).normal(0, 4, (height, width, 3))
    return np.clip(rows + noise + [0, 30, -20], 0, 255).astype(np.uint8)


def write_video(
    path: Path, picture: Picture, *, seconds: float = 2.0, fps: int = 25, sound: Sound | None = None
) -> Path:
    """An H.264 clip that moves slowly over a picture; ``sound`` is mono float32 at 16 kHz, coded as AAC."""
    height, width = (side - side % 2 - 16 for side in picture.shape[:2])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=16_000) if sound is not None else None
        if audio is not None:
            audio.layout = "mono"
        for index in range(round(seconds * fps)):
            x = index % 16
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[8 : 8 + height, x : x + width]), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None and sound is not None:
            frame = av.AudioFrame.from_ndarray(sound[None, :].astype(np.float32), format="flt", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
            container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def write_wav(path: Path, sound: Sound, rate: int = 16_000) -> Path:
    """Mono PCM of 16 bits."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate)
        stream.layout = "mono"
        pcm = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def tone(seconds: float = 4.0, rate: int = 16_000) -> Sound:
    """A steady tone: sound, but nobody speaks."""
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_picture(path: Path, picture: Picture) -> Path:
    """A still, in the format of its name."""
    Image.fromarray(picture).save(path)
    return path
