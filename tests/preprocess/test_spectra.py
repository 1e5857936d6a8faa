"""Spectral features against librosa's, and against their definition where librosa has none."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dct
from telltale_contracts import Lfcc, LogMel, LogSpectrogram
from telltale_preprocess.features.spectra import lfcc, linear_filters, log_mel, log_spectrogram, slaney_filters

Segments = NDArray[np.float32]


@pytest.fixture(scope="module")
def segments() -> Segments:
    """Two seconds of chirp under noise, and of noise alone."""
    noise = np.random.default_rng(1).normal(0, 0.05, (2, 32_000)).astype(np.float32)
    noise[0] += 0.4 * librosa.chirp(sr=16_000, fmin=100, fmax=7_000, length=32_000).astype(np.float32)
    return noise


def reference_power(sound: NDArray[np.float32], spec: LogSpectrogram | LogMel | Lfcc) -> NDArray[np.float64]:
    """librosa's power spectrogram with the contract's framing."""
    spectrum = librosa.stft(
        sound.astype(np.float64),
        n_fft=spec.n_fft,
        hop_length=spec.hop_length,
        win_length=spec.win_length,
        window="hann",
        center=False,
    )
    return np.abs(spectrum) ** 2


@pytest.mark.parametrize(("n_fft", "win_length", "hop"), [(512, 400, 160), (1024, 1024, 256), (511 + 1, 333, 77)])
def test_log_spectrogram_is_librosas(segments: Segments, n_fft: int, win_length: int, hop: int) -> None:
    spec = LogSpectrogram(samples=32_000, n_fft=n_fft, win_length=win_length, hop_length=hop)
    ours = log_spectrogram(segments, spec)
    assert ours.shape == (2, n_fft // 2 + 1, spec.frames)
    for mine, sound in zip(ours, segments, strict=True):
        np.testing.assert_allclose(mine, np.log(reference_power(sound, spec) + 1e-10), atol=2e-4)


def test_rms_normalisation_takes_the_level_away_and_leaves_silence(segments: Segments) -> None:
    spec = LogSpectrogram(samples=32_000, rms_normalise=True)
    np.testing.assert_allclose(log_spectrogram(segments, spec), log_spectrogram(segments * 0.1, spec), atol=1e-3)
    silence = log_spectrogram(np.zeros((1, 32_000), np.float32), spec)
    np.testing.assert_allclose(silence, np.log(1e-10), rtol=1e-6)


@pytest.mark.parametrize(("bands", "low", "high"), [(80, 0.0, None), (64, 50.0, 7_600.0), (128, 20.0, 4_000.0)])
def test_log_mel_is_librosas(segments: Segments, bands: int, low: float, high: float | None) -> None:
    spec = LogMel(samples=32_000, n_fft=1024, win_length=800, n_mels=bands, f_min=low, f_max=high)
    filters = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=bands, fmin=low, fmax=high, dtype=np.float64)
    np.testing.assert_allclose(slaney_filters(spec), filters, atol=1e-9)
    for mine, sound in zip(log_mel(segments, spec), segments, strict=True):
        np.testing.assert_allclose(mine, np.log(filters @ reference_power(sound, spec) + 1e-10), atol=2e-4)


def test_lfcc_is_its_definition(segments: Segments) -> None:
    spec = Lfcc(samples=32_000)
    ours = lfcc(segments, spec)
    assert ours.shape == (2, 60, spec.frames)
    filters = linear_filters(spec)
    assert filters.shape == (20, 257)
    peaks = filters.argmax(axis=1) * 16_000 / 512
    np.testing.assert_allclose(peaks, np.linspace(0, 8_000, 22)[1:-1], atol=16)
    power = np.stack([reference_power(sound, spec) for sound in segments])
    static = dct(np.log10(filters @ power + 1e-10), type=2, norm="ortho", axis=1)
    np.testing.assert_allclose(ours[:, :20], static, atol=2e-4)
    np.testing.assert_allclose(ours[:, 20:40, 1:-1], static[:, :, 2:] - static[:, :, :-2], atol=4e-4)
    np.testing.assert_allclose(ours[:, 40:, 5], ours[:, 20:40, 6] - ours[:, 20:40, 4], atol=4e-4)


def test_the_asvspoof_2021_baseline_is_its_definition(segments: Segments) -> None:
    """LFCC of the 2021 baseline, written out: torch.stft(n_fft 512, hop 160, Hamming 320, constant padding)."""
    spec = Lfcc(
        samples=32_000, win_length=320, window="hamming", pre_emphasis=0.97, centred=True, floor=2**-23, energy=True
    )
    ours = lfcc(segments, spec)
    assert ours.shape == (2, 60, spec.frames) == (2, 60, 201)
    emphasised = segments.astype(np.float64)
    emphasised[:, 1:] -= 0.97 * segments[:, :-1]
    spectra = librosa.stft(
        emphasised, n_fft=512, hop_length=160, win_length=320, window="hamming", center=True, pad_mode="constant"
    )
    power = np.abs(spectra) ** 2
    static = dct(np.log10(linear_filters(spec) @ power + 2**-23), type=2, norm="ortho", axis=1)
    static[:, 0] = np.log10(power.sum(axis=1) / 512 + 2**-23)
    np.testing.assert_allclose(ours[:, :20], static, atol=2e-4)
    padded = np.pad(static, ((0, 0), (0, 0), (1, 1)), mode="edge")
    np.testing.assert_allclose(ours[:, 20:40], padded[:, :, 2:] - padded[:, :, :-2], atol=4e-4)


def test_a_centred_log_mel_is_librosas(segments: Segments) -> None:
    spec = LogMel(samples=32_000, n_fft=2048, win_length=2048, hop_length=512, n_mels=128, centred=True)
    ours = log_mel(segments, spec)
    assert ours.shape == (2, 128, spec.frames)
    theirs = librosa.feature.melspectrogram(y=segments.astype(np.float64), sr=16_000, n_fft=2048, hop_length=512)
    np.testing.assert_allclose(ours, np.log(theirs + 1e-10), atol=2e-4)
