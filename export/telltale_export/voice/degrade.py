"""Rooms, microphones and noise: random ways of a sound that say nothing of its origin.

One ``Channel`` is drawn and then applied to a genuine sound and to a forged one alike, so that neither its equaliser
nor its noise tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from telltale_export.voice.sounds import SAMPLE_RATE, Pcm

_KNOTS_HZ = np.array([0, 150, 400, 900, 1800, 3000, 4500, 6200, 8000], dtype=np.float64)
_SPEEDS = ((24, 25), (25, 24), (19, 20), (20, 19), (14, 15), (15, 14))


@dataclass(frozen=True)
class Channel:
    """What happens to a sound, in this order; None is left out."""

    speed: tuple[int, int] | None
    reverb_s: float | None
    reverb_level: float
    equaliser_db: NDArray[np.float64]
    cutoff_hz: float | None
    noise_snr_db: float | None
    noise_slope: float
    clip: float | None
    seed: int


def draw_channel(random: np.random.Generator, strength: float = 1.0) -> Channel:
    """A random channel; ``strength`` in (0, 1] scales how often and how hard it acts."""

    def happens(probability: float) -> bool:
        return bool(random.random() < probability * strength)

    return Channel(
        speed=_SPEEDS[random.integers(len(_SPEEDS))] if happens(0.3) else None,
        reverb_s=random.uniform(0.1, 0.5) if happens(0.3) else None,
        reverb_level=random.uniform(0.05, 0.4),
        equaliser_db=random.normal(0.0, 5.0 * strength, size=len(_KNOTS_HZ)),
        cutoff_hz=random.uniform(3400.0, 7800.0) if happens(0.4) else None,
        noise_snr_db=random.uniform(8.0, 40.0) + 12.0 * (1.0 - strength) if happens(0.7) else None,
        noise_slope=random.uniform(0.0, 1.0),
        clip=random.uniform(1.5, 4.0) if happens(0.1) else None,
        seed=int(random.integers(2**31)),
    )


def through_channel(pcm: Pcm, channel: Channel) -> Pcm:
    """Apply it: [samples] in [-1, 1] -> [samples]; with a speed other than 1 the length changes.

    The peak is brought to at most full scale, the sound otherwise keeps its level.
    """
    random = np.random.default_rng(channel.seed)
    if channel.speed is not None:
        pcm = resample_poly(pcm, *channel.speed).astype(np.float32)
    size = _fast_length(len(pcm) + SAMPLE_RATE // 2)
    spectrum = np.fft.rfft(pcm, size)
    frequency = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE)
    gain_db = np.interp(frequency, _KNOTS_HZ, channel.equaliser_db)
    if channel.cutoff_hz is not None:
        gain_db -= np.clip((frequency - channel.cutoff_hz) / 200.0, 0.0, 1.0) * 70.0
    spectrum *= 10.0 ** (gain_db / 20.0)
    if channel.reverb_s is not None:
        spectrum *= np.fft.rfft(_room(channel.reverb_s, channel.reverb_level, random), size)
    heard = np.fft.irfft(spectrum, size)[: len(pcm)]
    rms = float(np.sqrt(np.mean(heard**2))) + 1e-9
    if channel.noise_snr_db is not None:
        noise = _noise(len(heard), channel.noise_slope, random)
        heard = heard + noise * (rms * 10.0 ** (-channel.noise_snr_db / 20.0))
    if channel.clip is not None:
        heard = np.clip(heard, -channel.clip * rms, channel.clip * rms)
    return (heard / max(1.0, float(np.abs(heard).max()))).astype(np.float32)


def _room(seconds: float, level: float, random: np.random.Generator) -> NDArray[np.float64]:
    # Noise that falls by 60 dB in the reverberation time: the usual stand-in for a measured room (Moorer 1979).
    length = int(seconds * SAMPLE_RATE)
    tail = random.normal(size=length) * 10.0 ** (-3.0 * np.arange(length) / length)
    tail *= level / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    return tail


def _noise(samples: int, slope: float, random: np.random.Generator) -> NDArray[np.float64]:
    # slope 0: white; 1: pink. Unit RMS.
    size = _fast_length(samples)
    spectrum = np.fft.rfft(random.normal(size=size))
    spectrum *= np.maximum(np.arange(len(spectrum)), 8.0) ** (-slope / 2.0)
    noise = np.fft.irfft(spectrum, size)[:samples]
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def _fast_length(samples: int) -> int:
    step = 4096
    return -(-samples // step) * step
