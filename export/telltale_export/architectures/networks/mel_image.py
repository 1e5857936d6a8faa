"""A waveform as the grey picture of its mel spectrogram that scattering-wave was trained on.

The published pipeline: librosa's pre-emphasis and mel spectrogram (centred windows, Slaney's scale and norm), decibels
under its maximum and at most 80 of them, drawn by ``librosa.display.specshow`` in magma over a figure of 400 x 400
pixels, each cell one colour, the lowest band at the bottom; then scaled to 256 x 256 by an antialiased bilinear filter
and turned to luma. Drawing and scaling are linear in the cells, so they are one matrix for the rows and one for the
columns. Colours are interpolated between magma's 256, where the published picture has steps.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

_CANVAS = 400
_PRE_EMPHASIS = 0.97
_LEAST_POWER = 1e-10
_TOP_DB = 80.0
# Luma (ITU-R BT.601, as Pillow rounds it) of matplotlib's colour map magma, which is in the public domain (CC0).
_MAGMA_LUMA = bytes.fromhex(
    "00010202020303040506060708090a0a0c0d0d0e10101113131415161718191a1b1b1c1d1d1f1f202021222223242425262626272829292a"
    "2b2c2c2d2d2f2f3031323334353536373839393b3c3c3d3e3f4040414243444545474748484a4b4b4c4c4e4e4f5051525353545555565758"
    "58595a5b5b5c5d5e5f5f606162626364656566676869696a6b6b6c6d6e6f7070717273747575767778797a7b7c7d7e7f8081828484858787"
    "898a8b8c8e8e90919393959697999a9b9c9d9fa0a1a3a4a5a7a8a9aaabadaeb0b1b2b3b4b6b7b8babbbcbdbec0c1c2c4c5c6c7c8cacbcccd"
    "cfd0d1d3d4d5d6d8d9dadcdcdddfe0e1e3e4e5e7e8e9eaebedeeeff1f1f3f4f6"
)


class MelImage(nn.Module):
    """float32 PCM [N, samples] to grey pictures, float32 [N, size, size], in [0, 1]."""

    windows: Tensor
    mel: Tensor
    luma: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, samples: int, *, size: int, bands: int, n_fft: int, hop: int, sample_rate: int) -> None:
        super().__init__()
        self._hop, self._half = hop, n_fft // 2
        frames = 1 + samples // hop
        for name, value in (
            ("windows", _windowed_dft(n_fft)[:, None]),
            ("mel", slaney_mel(bands, n_fft, sample_rate)),
            ("luma", np.frombuffer(_MAGMA_LUMA, np.uint8) / 255.0),
            ("rows", _drawn(bands, size, upwards=True)),
            ("columns", _drawn(frames, size)),
        ):
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(value)).float(), persistent=False)

    def forward(self, sound: Tensor) -> Tensor:
        """The pictures."""
        decibels = self.decibels(sound)
        top, least = decibels.amax(dim=(1, 2), keepdim=True), decibels.amin(dim=(1, 2), keepdim=True)
        return self.rows @ self._coloured((decibels - least) / (top - least).clamp_min(1e-6)) @ self.columns.T

    def decibels(self, sound: Tensor) -> Tensor:
        """The mel spectrogram, float32 [N, bands, frames], in dB under its own maximum, -80 at least."""
        # librosa starts its filter as if the sound had gone on in a straight line before it.
        before = 2.0 * sound[:, :1] - sound[:, 1:2]
        emphasised = torch.cat((sound[:, :1] + before, sound[:, 1:] - _PRE_EMPHASIS * sound[:, :-1]), dim=1)
        padded = functional.pad(emphasised[:, None], (self._half, self._half))
        real, imaginary = functional.conv1d(padded, self.windows, stride=self._hop).chunk(2, dim=1)
        power = self.mel @ (real**2 + imaginary**2)
        decibels = 10.0 * torch.log10(power.clamp_min(_LEAST_POWER))
        top = decibels.amax(dim=(1, 2), keepdim=True)
        return torch.maximum(decibels - top, decibels.new_tensor(-_TOP_DB))

    def _coloured(self, share: Tensor) -> Tensor:
        place = (share * 256.0 - 0.5).clamp(0.0, 255.0)
        below = place.floor().clamp(max=254.0)
        index = below.long()
        lower, upper = self.luma[index], self.luma[index + 1]
        return lower + (upper - lower) * (place - below)


def slaney_mel(bands: int, n_fft: int, sample_rate: int) -> NDArray[np.float64]:
    """Triangular filters [bands, n_fft / 2 + 1], linear under 1 kHz and logarithmic above, each of area 1 (Slaney)."""
    step, corner, ratio = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0
    highest = corner / step + np.log(sample_rate / 2.0 / corner) / ratio
    mels = np.linspace(0.0, highest, bands + 2)
    hertz = np.where(mels < corner / step, mels * step, corner * np.exp(ratio * (mels - corner / step)))
    bins = np.linspace(0.0, sample_rate / 2.0, n_fft // 2 + 1)
    rising = (bins - hertz[:-2, None]) / np.diff(hertz)[:-1, None]
    falling = (hertz[2:, None] - bins) / np.diff(hertz)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (hertz[2:] - hertz[:-2]))[:, None])


def _windowed_dft(n_fft: int) -> NDArray[np.float64]:
    """Cosines, then sines, under a periodic Hann window: [n_fft + 2, n_fft]."""
    n = np.arange(n_fft)
    turns = 2.0 * np.pi * np.outer(np.arange(n_fft // 2 + 1), n) / n_fft
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * n / n_fft)
    return np.concatenate((np.cos(turns), -np.sin(turns))) * window


def _drawn(cells: int, size: int, *, upwards: bool = False) -> NDArray[np.float64]:
    """How much of each cell is in each pixel of the scaled picture: [size, cells]; the first cell first, or last."""
    places = np.floor((np.arange(_CANVAS) + 0.5) / _CANVAS * cells).astype(int)
    canvas = np.eye(cells)[places[::-1] if upwards else places]
    return np.asarray(_antialiased(_CANVAS, size) @ canvas)


def _antialiased(inputs: int, outputs: int) -> NDArray[np.float64]:
    """Pillow's bilinear filter: a triangle as wide as the scale, at least one pixel to each side."""
    scale = inputs / outputs
    support = max(scale, 1.0)
    centres = (np.arange(outputs) + 0.5) * scale
    distance = np.abs(np.arange(inputs) + 0.5 - centres[:, None]) / support
    weights = np.maximum(0.0, 1.0 - distance)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
