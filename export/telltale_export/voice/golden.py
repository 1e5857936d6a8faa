"""Golden inputs made of nothing but arithmetic: nobody's voice is in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from telltale_export.voice.sounds import SAMPLE_RATE, SEGMENT_SAMPLES, Pcm

GOLDEN_SOURCE = (
    "synthesised with numpy: pulses through moving formants, the same whispered, the same with a coarse spectrum "
    "frozen every 20 ms, pink noise"
)
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
_BANDWIDTHS = (80.0, 100.0, 140.0)
_SYLLABLE_S = 0.2


def golden_inputs() -> Pcm:
    """float32 [4, 64000], always the same."""
    random = np.random.default_rng(7)
    noise = np.cumsum(random.normal(size=SEGMENT_SAMPLES))
    noise = noise - lfilter([0.01], [1.0, -0.99], noise)
    return np.stack(
        [
            formant_speech(SEGMENT_SAMPLES, seed=1),
            formant_speech(SEGMENT_SAMPLES, seed=2, voiced=False),
            _frozen(formant_speech(SEGMENT_SAMPLES, seed=3)),
            _full_scale(noise),
        ]
    )


def formant_speech(samples: int, seed: int, voiced: bool = True) -> Pcm:
    """Something like speech: syllables of vowels (Peterson and Barney 1952), float32 [samples], peak 0.5.

    Args:
        samples: its length at 16 kHz.
        seed: of pitch, vowels and noise.
        voiced: excited by pulses at a wandering pitch, otherwise by noise.
    """
    random = np.random.default_rng(seed)
    syllable = int(_SYLLABLE_S * SAMPLE_RATE)
    count = -(-samples // syllable)
    time = np.arange(count * syllable) / SAMPLE_RATE
    pitch = random.uniform(90.0, 220.0) * (1.0 + 0.12 * np.sin(2 * np.pi * random.uniform(0.3, 0.9) * time))
    phase = np.cumsum(pitch / SAMPLE_RATE)
    source = random.normal(0.0, 0.05, size=len(time))
    if voiced:
        source = source * 0.2 + np.diff(np.floor(phase), prepend=0.0)
    envelope = np.tile(np.sin(np.linspace(0.0, np.pi, syllable)) ** 0.5, count)
    state = [np.zeros(2) for _ in _BANDWIDTHS]
    parts = []
    for start in range(0, len(time), syllable):
        part = source[start : start + syllable]
        vowel = _VOWELS[random.integers(len(_VOWELS))]
        for index, (centre, width) in enumerate(zip(vowel, _BANDWIDTHS, strict=True)):
            radius = np.exp(-np.pi * width / SAMPLE_RATE)
            angle = 2 * np.pi * centre / SAMPLE_RATE
            poles = [1.0, -2.0 * radius * np.cos(angle), radius**2]
            part, state[index] = lfilter([1.0 - radius], poles, part, zi=state[index])
        parts.append(part)
    pauses = np.repeat(random.random(count) > 0.2, syllable)
    return _full_scale((np.concatenate(parts) * envelope * pauses + random.normal(0.0, 1e-4, len(time)))[:samples])


def _frozen(pcm: Pcm) -> Pcm:
    # Every 20 ms the spectrum's phase is thrown away: a caricature of a poor vocoder.
    frames = pcm.reshape(-1, 320)
    return _full_scale(np.fft.irfft(np.abs(np.fft.rfft(frames, axis=1)), 320, axis=1).reshape(-1))


def _full_scale(signal: NDArray[np.floating]) -> Pcm:
    return np.asarray(0.5 * signal / np.abs(signal).max(), dtype=np.float32)
