"""Spectral features of segments: numpy in, numpy out, checked against librosa."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import dct
from telltale_contracts import Lfcc, LogMel, LogSpectrogram

_RMS = 0.1
_Windowed = LogSpectrogram | LogMel | Lfcc


def log_spectrogram(segments: NDArray[np.float32], spec: LogSpectrogram) -> NDArray[np.float32]:
    """float32 [N, n_fft / 2 + 1, frames]: natural logarithm of the power, as the spec defines it."""
    if spec.rms_normalise:
        rms = np.sqrt(np.mean(np.square(segments, dtype=np.float64), axis=1, keepdims=True))
        segments = np.where(rms > 0, segments * (_RMS / np.maximum(rms, 1e-12)), segments).astype(np.float32)
    return np.stack([np.log(power_spectrogram(segment, spec) + spec.floor) for segment in segments]).astype(np.float32)


def log_mel(segments: NDArray[np.float32], spec: LogMel) -> NDArray[np.float32]:
    """float32 [N, n_mels, frames]: natural logarithm of the Slaney mel bands of the power."""
    bands = slaney_filters(spec)
    return np.stack([np.log(bands @ power_spectrogram(segment, spec) + spec.floor) for segment in segments]).astype(
        np.float32
    )


def lfcc(segments: NDArray[np.float32], spec: Lfcc) -> NDArray[np.float32]:
    """float32 [N, coefficients, frames]: cepstra of linearly spaced bands and their differences.

    A difference is x[t + 1] - x[t - 1], the ends repeated, as in the ASVspoof 2021 baseline (Deltas of width 3).
    """
    bands = linear_filters(spec)
    stacked = []
    for segment in segments:
        power = power_spectrogram(segment, spec)
        cepstra = dct(np.log10(bands @ power + spec.floor), type=2, norm="ortho", axis=0)[: spec.n_lfcc]
        if spec.energy:
            cepstra[0] = np.log10(power.sum(axis=0) / spec.n_fft + spec.floor)
        if spec.deltas:
            first = _difference(cepstra)
            cepstra = np.concatenate([cepstra, first, _difference(first)])
        stacked.append(cepstra)
    return np.stack(stacked).astype(np.float32)


def linear_filters(spec: Lfcc) -> NDArray[np.float64]:
    """[n_filters, bins]: triangles of height 1 whose corners are evenly spaced from 0 to half the sample rate."""
    return _triangles(np.linspace(0.0, spec.sample_rate / 2, spec.n_filters + 2), spec)


def slaney_filters(spec: LogMel) -> NDArray[np.float64]:
    """[n_mels, bins]: triangles on the Slaney mel scale (Auditory Toolbox, 1998), each scaled to unit area."""
    top = spec.f_max if spec.f_max is not None else spec.sample_rate / 2
    corners = _mel_to_hz(np.linspace(_hz_to_mel(spec.f_min), _hz_to_mel(top), spec.n_mels + 2))
    return _triangles(corners, spec) * (2.0 / (corners[2:] - corners[:-2]))[:, np.newaxis]


def power_spectrogram(segment: NDArray[np.float32], spec: _Windowed) -> NDArray[np.float64]:
    """float64 [n_fft / 2 + 1, frames]: |X|^2 of one segment, windowed as the spec says."""
    sound = segment.astype(np.float64)
    if spec.pre_emphasis:
        sound = np.concatenate([sound[:1], sound[1:] - spec.pre_emphasis * sound[:-1]])
    if spec.centred:
        sound = np.pad(sound, spec.n_fft // 2)
    # A raised cosine, periodic: Hann or Hamming.
    share = 0.5 if spec.window == "hann" else 0.54
    window = share - (1.0 - share) * np.cos(2 * np.pi * np.arange(spec.win_length) / spec.win_length)
    left = (spec.n_fft - spec.win_length) // 2
    padded = np.pad(window, (left, spec.n_fft - spec.win_length - left))
    frames = sliding_window_view(sound, spec.n_fft)[:: spec.hop_length]
    spectrum = np.fft.rfft(frames * padded, axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, dtype=np.float64).T


def _triangles(corners: NDArray[np.float64], spec: _Windowed) -> NDArray[np.float64]:
    bins = np.linspace(0.0, spec.sample_rate / 2, spec.n_fft // 2 + 1)
    rising = (bins - corners[:-2, np.newaxis]) / np.diff(corners)[:-1, np.newaxis]
    falling = (corners[2:, np.newaxis] - bins) / np.diff(corners)[1:, np.newaxis]
    return np.maximum(0.0, np.minimum(rising, falling))


def _difference(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(rows, ((0, 0), (1, 1)), mode="edge")
    return padded[:, 2:] - padded[:, :-2]


# Slaney's scale: linear to 1 kHz (15 mel), then 27 steps for each factor of 6.4.
_LINEAR_HZ = 200.0 / 3.0
_BREAK_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ
    return float(_BREAK_HZ / _LINEAR_HZ + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _BREAK_HZ / _LINEAR_HZ
    return np.where(mel < knee, mel * _LINEAR_HZ, _BREAK_HZ * np.exp(_LOG_STEP * (mel - knee)))
