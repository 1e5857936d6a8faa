"""Short-time Fourier transforms inside the graph, and the 16 bands of equal width that statistics are taken over."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from telltale_export.voice.sounds import SAMPLE_RATE

N_FFT = 512
WIN_LENGTH = 400
HOP_LENGTH = 160
BANDS = 16
FIRST_HZ = 62.5
_RMS = 0.1
_SILENCE = 1e-4
_FLOOR = 1e-10


class ShortTime(nn.Module):
    """Hann-windowed short-time Fourier transform: [N, samples] -> real and imaginary parts, each [N, bins, frames].

    It is a convolution with fixed kernels, because no ONNX operator of opset 17 for it is served alike everywhere.
    """

    kernel: Tensor

    def __init__(self, n_fft: int, win_length: int, hop_length: int) -> None:
        super().__init__()
        self.hop_length = hop_length
        time = torch.arange(win_length, dtype=torch.float64)
        window = 0.5 - 0.5 * torch.cos(2 * torch.pi * time / win_length)
        angle = 2 * torch.pi * torch.arange(n_fft // 2 + 1, dtype=torch.float64)[:, None] * time / n_fft
        kernel = torch.cat([window * torch.cos(angle), window * torch.sin(angle)])
        self.register_buffer("kernel", kernel.to(torch.float32)[:, None, :])

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """[N, samples] -> [N, bins, frames] twice."""
        parts = nn.functional.conv1d(waveform[:, None], self.kernel, stride=self.hop_length)
        real, imaginary = parts.chunk(2, dim=1)
        return real, imaginary

    def power(self, waveform: Tensor) -> Tensor:
        """[N, samples] -> [N, bins, frames]."""
        real, imaginary = self(waveform)
        power: Tensor = real.square() + imaginary.square()
        return power


class LogSpectrum(nn.Module):
    """Log power spectrogram of segments scaled to one RMS, minus each bin's mean over time.

    float32 [N, samples] -> [N, 1, 257, frames]. Subtracting the mean takes a fixed channel (microphone, equaliser) out
    of the picture, as cepstral mean normalisation does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.short_time = ShortTime(N_FFT, WIN_LENGTH, HOP_LENGTH)

    def forward(self, waveform: Tensor) -> Tensor:
        """[N, samples] in [-1, 1] -> [N, 1, 257, frames]."""
        return self.log_of(*self.transform(waveform))

    def transform(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary parts of the scaled segments, each [N, 257, frames]."""
        real, imaginary = self.short_time(scaled(waveform))
        return real, imaginary

    @staticmethod
    def log_of(real: Tensor, imaginary: Tensor) -> Tensor:
        """The log power without each bin's mean: [N, 1, 257, frames]."""
        spectrum = torch.log(real.square() + imaginary.square() + _FLOOR)
        return (spectrum - spectrum.mean(dim=2, keepdim=True))[:, None] * 0.25


def scaled(waveform: Tensor) -> Tensor:
    """[N, samples] -> the same at one RMS; below -80 dBFS the scale stays: silence is not blown up to speech."""
    rms = waveform.square().mean(dim=1, keepdim=True).sqrt()
    return waveform * (_RMS / rms.clamp(min=_SILENCE))


def band_means(n_fft: int) -> Tensor:
    """[bins, 16]: each column averages one band's bins; together they cover 62.5 Hz, or bin 1, to the last but one."""
    bins = n_fft // 2 + 1
    first = max(1, int(FIRST_HZ * n_fft / SAMPLE_RATE))
    edges = torch.linspace(first, bins - 1, BANDS + 1, dtype=torch.float64).round().to(torch.int64).tolist()
    bands = torch.zeros(bins, BANDS, dtype=torch.float64)
    for band, (low, high) in enumerate(pairwise(edges)):
        bands[low:high, band] = 1.0 / (high - low)
    return bands.to(torch.float32)
