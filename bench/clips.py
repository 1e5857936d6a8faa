"""Clips to measure on, made once and kept in .cache/bench: a 1080p H.264 video with a face and speech, and long ones.

The face is the portrait, moving before the camera as one who speaks into it; behind it drifts and sways a texture with
the spectrum of natural pictures (power falling with the square of frequency) as a lens and a sensor give it, with blur
and grain, coded at 5 Mbit/s with a key frame every 50 frames. The long videos are stream copies of ten seconds, one
after the other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from PIL import Image
from telltale_export.samples.voice import write_voice

HOUSE = Path(__file__).resolve().parents[1]
ASSETS = HOUSE / ".cache/assets"
PLACE = HOUSE / ".cache/bench"

WIDTH, HEIGHT, FPS, SECONDS, GOP = 1920, 1080, 25, 10, 50
SOUND_RATE = 48_000
_PORTRAIT_SIDE = 1400
_DRIFT, _SWAY, _BLUR = 120, 8.0, 1.5
_TEXT = (
    "The quick brown fox jumps over the lazy dog, and then it sits down to think about what it has done. "
    "Nobody in the village had ever seen such a thing, although some of the older people said that they had. "
    "When the rain began, everybody went home."
)

Picture = NDArray[np.uint8]


def ten_seconds() -> Path:
    """The 10 s clip, 5 Mbit/s."""
    return _made("10s.mp4", lambda path: _encode(path, bit_rate=5_000_000))


def five_megabytes() -> Path:
    """The same pictures without the sound, in 5 MB: what is uploaded to a gateway."""
    return _made("5mb.mp4", lambda path: _encode(path, bit_rate=4_000_000, spoken=False))


def ten_minutes() -> Path:
    """The same, 60 times in a row."""
    return _made("10min.mp4", lambda path: _repeat(ten_seconds(), path, 60))


def two_hours() -> Path:
    """The same pictures at 1 Mbit/s, 720 times in a row: memory goes by frames, not by bits."""
    thin = _made("10s-thin.mp4", lambda path: _encode(path, bit_rate=1_000_000))
    return _made("2h.mp4", lambda path: _repeat(thin, path, 720))


def _made(name: str, make: Callable[[Path], None]) -> Path:
    path = PLACE / name
    if not path.exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=PLACE) as folder:
            fresh = Path(folder) / name
            make(fresh)
            fresh.rename(path)
    return path


def _encode(path: Path, *, bit_rate: int, spoken: bool = True) -> None:
    scene = _Scene()
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "g": str(GOP)})
        video.width, video.height, video.pix_fmt, video.bit_rate = WIDTH, HEIGHT, "yuv420p", bit_rate
        audio = container.add_stream("aac", rate=SOUND_RATE, layout="stereo", bit_rate=128_000) if spoken else None
        for number in range(SECONDS * FPS):
            container.mux(video.encode(av.VideoFrame.from_ndarray(scene.picture(number), "rgb24")))
        container.mux(video.encode())
        if audio is None:
            return
        speech = av.AudioFrame.from_ndarray(_speech(), format="fltp", layout="stereo")
        speech.sample_rate, speech.pts, speech.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
        container.mux(audio.encode(speech))
        container.mux(audio.encode())


class _Scene:
    """The portrait before a texture; both move."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(11)
        self._ground = self._texture(HEIGHT + 2 * _DRIFT, WIDTH + 2 * _DRIFT)
        portrait = Image.open(ASSETS / "astronaut.png").convert("RGB").resize((_PORTRAIT_SIDE, _PORTRAIT_SIDE))
        self._portrait = np.asarray(portrait, dtype=np.float32)
        self._grain = self._random.normal(0.0, 3.0, (HEIGHT + 64, WIDTH + 64, 1)).astype(np.float32)
        self._rows, self._columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)

    def picture(self, number: int) -> Picture:
        """Frame ``number``: uint8 [HEIGHT, WIDTH, 3], RGB."""
        x, y = (_DRIFT * (1 + turn) for turn in (np.sin(number / 40), np.cos(number / 55)))
        sway_x = _SWAY * np.sin(self._rows / 37 + number / 4) * np.sin(self._columns / 53)
        sway_y = _SWAY * np.sin(self._columns / 41 + number / 5) * np.sin(self._rows / 47)
        across, down = self._columns + (x + sway_x).astype(np.float32), self._rows + (y + sway_y).astype(np.float32)
        picture = cv2.remap(self._ground, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        x, y = round(260 + 220 * np.sin(number / 25)), round(110 + 90 * np.cos(number / 17))
        picture[y:, x : x + _PORTRAIT_SIDE] = self._portrait[: HEIGHT - y]
        x, y = self._random.integers(0, 64, 2)
        return np.clip(picture + self._grain[y : y + HEIGHT, x : x + WIDTH], 0, 255).astype(np.uint8)

    def _texture(self, height: int, width: int) -> NDArray[np.float32]:
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
        frequency[0, 0] = np.inf
        layers = []
        for _ in range(3):
            spectrum = np.fft.rfft2(self._random.normal(size=(height, width))) / frequency
            layer = np.fft.irfft2(spectrum, (height, width))
            layers.append(layer / layer.std())
        # Natural colours go together: mostly one brightness, a little of each colour.
        mixed = [110 + 42 * (0.9 * layers[0] + 0.3 * layer) for layer in layers]
        sharp = np.clip(np.stack(mixed, axis=-1), 0, 255).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(sharp, (0, 0), _BLUR), dtype=np.float32)


def _speech() -> NDArray[np.float32]:
    """float32 [2, SECONDS * SOUND_RATE]: a synthetic voice, the same on both channels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        write_voice(ASSETS / "espeak", path, _TEXT)
        resampler = AudioResampler(format="fltp", layout="mono", rate=SOUND_RATE)
        with av.open(str(path)) as voice:
            parts = [part for frame in voice.decode(audio=0) for part in resampler.resample(frame)]
    spoken = np.concatenate([part.to_ndarray()[0] for part in [*parts, *resampler.resample(None)]])
    return np.tile(np.resize(spoken, SECONDS * SOUND_RATE).astype(np.float32), (2, 1))


def _repeat(source: Path, path: Path, times: int) -> None:
    """The packets of ``source`` again and again, undecoded."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as sink, av.open(str(source)) as container:
        copies = {stream.index: sink.add_stream_from_template(stream) for stream in container.streams}
        for turn in range(times):
            container.seek(0)
            for packet in container.demux():
                if packet.dts is None or packet.pts is None:
                    continue
                shift = round(turn * SECONDS / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                # The last packets of the sound reach a little beyond the ten seconds.
                if packet.stream.type == "audio" and packet.pts - shift >= SECONDS / packet.time_base - packet.duration:
                    continue
                packet.stream = copies[packet.stream_index]
                sink.mux(packet)
