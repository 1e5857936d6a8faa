"""Facts of a 16 kHz mono sound that need no model: the pitch of a voice, and the shape of the spectrum.

Each looks at a bounded number of windows, evenly spaced over the sound, so that a long one costs no more than ten
seconds do.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from telltale_preprocess.features.speech import SPEECH_RATE, SPEECH_WINDOW

_PITCH_FRAME = 1024
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 500.0
_SHORTEST, _LONGEST = int(SPEECH_RATE / _HIGHEST_HZ), int(SPEECH_RATE / _LOWEST_HZ)
_PITCH_THRESHOLD = 0.15
_OCTAVE_ERROR = 0.75
_MAX_WINDOWS = 128

_FFT, _HOP = 2048, 512
_LOWEST_BAND_HZ, _BANDS = 200.0, 5
_QUANTILE = 0.02
_TOP_DB = 80.0
_TINY = 1e-10


def pitch_track(sound: NDArray[np.float32], speech: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fundamental frequency in Hz, 60 to 500, of windows of 64 ms in which somebody speaks, float64 [voiced windows].

    YIN (de Cheveigne and Kawahara 2002) with a threshold of 0.15; what is not periodic is left out, and what lies three
    quarters of an octave or more from the median, since that is an octave error.

    ``speech``: for each 32 ms, whether somebody speaks.
    """
    starts = np.flatnonzero(speech) * SPEECH_WINDOW
    starts = _thin(starts[starts + _PITCH_FRAME <= len(sound)])
    if not len(starts):
        return np.empty(0)
    found = yin(sliding_window_view(sound, _PITCH_FRAME)[starts])
    if not len(found):
        return found
    return found[np.abs(np.log2(found / np.median(found))) < _OCTAVE_ERROR]


def yin(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """The frequency in Hz of each frame (float32 [N, 1024] at 16 kHz) that is periodic, in their order."""
    difference = _difference(frames)
    lags = np.arange(1, _LONGEST + 1, dtype=np.float32)
    normalised = np.ones_like(difference)
    so_far = np.cumsum(difference[:, 1:], axis=1)
    np.divide(difference[:, 1:] * lags, so_far, out=normalised[:, 1:], where=so_far > _TINY)
    good = normalised < _PITCH_THRESHOLD
    good[:, :_SHORTEST] = False
    voiced = good.any(axis=1)
    normalised, good = normalised[voiced], good[voiced]
    # From the first lag that is good, down to the bottom of its dip.
    beyond = np.arange(_LONGEST + 1) >= good.argmax(axis=1)[:, np.newaxis]
    rises = np.ones_like(good)
    rises[:, :-1] = normalised[:, 1:] >= normalised[:, :-1]
    lag = np.minimum((rises & beyond).argmax(axis=1), _LONGEST - 1)
    rows = np.arange(len(lag))
    before, at, after = (normalised[rows, lag + step] for step in (-1, 0, 1))
    curve = before - 2 * at + after
    shift = np.where(curve > _TINY, (before - after) / np.maximum(2 * curve, _TINY), 0.0)
    return np.asarray(SPEECH_RATE / (lag + np.clip(shift, -1.0, 1.0)), dtype=np.float64)


def magnitudes(sound: NDArray[np.float32], silence_rms: float) -> NDArray[np.float64]:
    """Magnitude spectra, float64 [windows, 1025]: periodic Hann of 2048, centred on each 512th sample, the ends filled
    with zeros; windows whose middle 512 samples are under ``silence_rms`` are left out."""
    padded = np.pad(sound, _FFT // 2)
    frames = sliding_window_view(padded, _FFT)[::_HOP]
    middle = frames[:, (_FFT - _HOP) // 2 : (_FFT + _HOP) // 2]
    loud = np.flatnonzero(np.einsum("nt,nt->n", middle, middle) >= _HOP * silence_rms**2)
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)
    return np.asarray(np.abs(rfft(frames[_thin(loud)] * hann, axis=1)), dtype=np.float64)


def spectral_centroid(spectra: NDArray[np.float64]) -> float:
    """Hz; the mean of a frequency weighted by its magnitude, mean over the windows (as librosa defines it)."""
    frequencies = np.linspace(0.0, SPEECH_RATE / 2, spectra.shape[1])
    return float(np.mean(spectra @ frequencies / np.maximum(spectra.sum(axis=1), _TINY)))


def spectral_contrast(spectra: NDArray[np.float64]) -> float:
    """dB between the strongest and the weakest 2 % of each octave band from 200 Hz, and of what lies below, mean over
    bands and windows (Jiang et al. 2002, as librosa defines it)."""
    frequencies = np.linspace(0.0, SPEECH_RATE / 2, spectra.shape[1])
    edges = np.concatenate([[0.0], _LOWEST_BAND_HZ * 2.0 ** np.arange(_BANDS + 1)])
    peaks, valleys = [], []
    for band, (low, high) in enumerate(pairwise(edges)):
        first, last = np.flatnonzero((frequencies >= low) & (frequencies <= high))[[0, -1]]
        first -= band > 0
        last = len(frequencies) - 1 if band == _BANDS else last
        count = max(1, int(np.rint(_QUANTILE * (last - first + 1))))
        inside = np.sort(spectra[:, first : last + (band == _BANDS)], axis=1)
        valleys.append(inside[:, :count].mean(axis=1))
        peaks.append(inside[:, -count:].mean(axis=1))
    return float(np.mean(_decibels(np.stack(peaks)) - _decibels(np.stack(valleys))))


def _difference(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum over j < W of (x[j] - x[j + lag])^2, for lags 0 to the longest; W is what the frame leaves."""
    width = frames.shape[1] - _LONGEST
    size = 2 * frames.shape[1]
    product = rfft(frames[:, :width][:, ::-1], size, axis=1) * rfft(frames, size, axis=1)
    correlation = irfft(product, size, axis=1)[:, width - 1 : width + _LONGEST]
    energy = np.cumsum(np.pad(np.square(frames), ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    moving = energy[:, width:] - energy[:, : _LONGEST + 1]
    return np.asarray(np.maximum(moving[:, :1] + moving - 2 * correlation, 0.0), dtype=np.float32)


def _decibels(magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    level = 10.0 * np.log10(np.maximum(magnitude, _TINY))
    return np.asarray(np.maximum(level, level.max() - _TOP_DB), dtype=np.float64)


def _thin(places: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(places) <= _MAX_WINDOWS:
        return places
    return places[np.linspace(0, len(places) - 1, _MAX_WINDOWS).round().astype(np.int64)]
