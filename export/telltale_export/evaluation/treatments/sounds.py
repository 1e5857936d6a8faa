"""mp3, Opus, telephone bandwidth and noise of sounds: mono at 16 kHz, which is what detectors hear of them anyway."""

from __future__ import annotations

import zlib

import av
import numpy as np

from telltale_export.evaluation.treatments.pictures import Apply
from telltale_export.voice.codecs import UNCODED, Codec, encode
from telltale_export.voice.sounds import SAMPLE_RATE, Pcm, read_sound

_MP3 = Codec("mp3 64k", "libmp3lame", "mp3", 64_000)
_OPUS = Codec("Opus 24k", "libopus", "ogg", 24_000)
_TELEPHONE_RATE = 8_000
_NOISE_DB = 20.0


def sound_treatments() -> dict[str, tuple[str, Apply]]:
    """By name: the treated file's suffix, and what makes it."""
    return {
        _MP3.name: (".mp3", lambda path: encode(read_sound(path), _MP3)),
        _OPUS.name: (".ogg", lambda path: encode(read_sound(path), _OPUS)),
        "8 kHz": (".wav", lambda path: encode(telephone(read_sound(path)), UNCODED)),
        "noise 20 dB": (".wav", lambda path: encode(noisy(read_sound(path), path.name), UNCODED)),
    }


def telephone(pcm: Pcm) -> Pcm:
    """What is left under 4 kHz: down to 8 kHz and up again."""
    return _resampled(_resampled(pcm, SAMPLE_RATE, _TELEPHONE_RATE), _TELEPHONE_RATE, SAMPLE_RATE)


def noisy(pcm: Pcm, name: str) -> Pcm:
    """White noise 20 dB under the sound's own level; the same for the same name."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    level = float(np.sqrt(np.mean(pcm.astype(np.float64) ** 2))) * 10.0 ** (-_NOISE_DB / 20.0)
    return (pcm + random.normal(0.0, max(level, 1e-6), len(pcm))).astype(np.float32)


def _resampled(pcm: Pcm, rate: int, wanted: int) -> Pcm:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=wanted)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[None]), format="flt", layout="mono")
    frame.sample_rate = rate
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in frames]).astype(np.float32)
