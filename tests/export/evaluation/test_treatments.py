"""A treated file is still the same medium, and has lost what the treatment takes."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_export.errors import DataError
from telltale_export.evaluation.treatments import Treatment, treatments_of
from telltale_export.voice.sounds import SAMPLE_RATE, decode


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fine noise over a slope."""
    path = tmp_path_factory.mktemp("treated") / "picture.png"
    assert cv2.imwrite(str(path), _noise(96, 130))
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of changing length, and sound that begins before them."""
    path = tmp_path_factory.mktemp("treated") / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 130, 96, "yuv420p"
        stream.options = {"crf": "10", "bf": "0", "threads": "1"}
        stream.time_base = stream.codec_context.time_base = Fraction(1, 100)
        sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for index, pts in enumerate((20, 24, 28, 32, 42, 46, 50, 54)):
            frame = av.VideoFrame.from_ndarray(_noise(96, 130, index), format="bgr24")
            frame.pts, frame.time_base = pts, Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        tone = av.AudioFrame.from_ndarray(_tone(8_000)[None], format="fltp", layout="mono")
        tone.sample_rate = SAMPLE_RATE
        container.mux([*sound.encode(tone), *sound.encode(None)])
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a low and a high tone."""
    path = tmp_path_factory.mktemp("treated") / "sound.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((_tone(SAMPLE_RATE) * 20_000).astype(np.int16).tobytes())
    return path


def by_name(treatments: tuple[Treatment, ...]) -> dict[str, Treatment]:
    return {treatment.name: treatment for treatment in treatments}


def test_pictures_are_treated(picture: Path) -> None:
    original = cv2.imread(str(picture))
    found = {
        name: cv2.imdecode(np.frombuffer(treatment.apply(picture), np.uint8), cv2.IMREAD_COLOR)
        for name, treatment in by_name(treatments_of("image")).items()
    }
    assert {name: each.shape[:2] for name, each in found.items()} == {
        "JPEG 75": (96, 130),
        "JPEG 50": (96, 130),
        "half size": (48, 64),
        "blur": (96, 130),
    }
    errors = {name: float(np.abs(found[name].astype(float) - original).mean()) for name in ("JPEG 75", "JPEG 50")}
    assert 0 < errors["JPEG 75"] < errors["JPEG 50"]
    assert cv2.Laplacian(found["blur"], cv2.CV_64F).var() < cv2.Laplacian(original, cv2.CV_64F).var() / 10


def test_films_keep_their_times_and_their_sound(film: Path) -> None:
    sizes, seen, sharp = {}, {}, {}
    for name, treatment in by_name(treatments_of("video")).items():
        content = treatment.apply(film)
        with av.open(io.BytesIO(content)) as treated:
            frames = list(treated.decode(video=0))
            seen[name] = [round(float(frame.time or 0), 2) for frame in frames]
            sharp[name] = cv2.Laplacian(frames[0].to_ndarray(format="gray"), cv2.CV_64F).var()
            sizes[name] = (len(content), frames[0].width, frames[0].height)
        assert np.abs(decode(io.BytesIO(content))).max() > 0.1
    assert set(map(tuple, seen.values())) == {(0.2, 0.24, 0.28, 0.32, 0.42, 0.46, 0.5, 0.54)}
    assert sizes["H.264 CRF 35"][0] < sizes["H.264 CRF 28"][0]
    assert sizes["half size"][1:] == (64, 48)
    assert sharp["blur"] < sharp["H.264 CRF 28"] / 5


def test_sounds_lose_what_the_treatment_takes(sound: Path) -> None:
    found = {n: decode(io.BytesIO(t.apply(sound))) for n, t in by_name(treatments_of("audio")).items()}
    assert set(found) == {"mp3 64k", "Opus 24k", "8 kHz", "noise 20 dB"}
    assert all(abs(len(pcm) - SAMPLE_RATE) < 0.15 * SAMPLE_RATE for pcm in found.values())
    high = {name: _level(pcm, 6_000) / _level(pcm, 500) for name, pcm in found.items()}
    assert high["8 kHz"] < 0.01
    assert high["mp3 64k"] > 0.5
    floor = _level(found["noise 20 dB"], 3_000) / _level(found["noise 20 dB"], 500)
    assert floor > 100 * _level(_tone(SAMPLE_RATE), 3_000) / _level(_tone(SAMPLE_RATE), 500)


@pytest.mark.parametrize("modality", ["image", "video", "audio"])
def test_what_cannot_be_decoded_cannot_be_treated(modality: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"nothing of the kind")
    for treatment in treatments_of("image" if modality == "image" else "video" if modality == "video" else "audio"):
        with pytest.raises(DataError, match="broken"):
            treatment.apply(broken)


def _noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    slope = np.linspace(40, 180, width)[None, :, None] * np.ones((height, 1, 3))
    return np.clip(slope + np.random.default_rng(seed).normal(0, 25, (height, width, 3)), 0, 255).astype(np.uint8)


def _tone(samples: int) -> NDArray[np.float32]:
    t = np.arange(samples) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * 500 * t) + 0.3 * np.sin(2 * np.pi * 6_000 * t)).astype(np.float32)


def _level(pcm: NDArray[np.float32], hertz: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm[: SAMPLE_RATE // 2] * np.hanning(SAMPLE_RATE // 2)))
    at = hertz // 2
    return float(spectrum[at - 4 : at + 5].max())
