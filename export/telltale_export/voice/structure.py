"""Statistics of the spectrogram's fine structure and of its phases, and which bands there are at all."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from telltale_export.voice.spectrum import N_FFT, band_means

_FRAMES_LATER = (1, 2, 3, 5, 8)
_BINS_HIGHER = (1, 2, 3, 4, 6)
_BINS_APART = (2, 4)
_LEAST = 1e-6
_QUIET = 1e-5
_NOTHING = 1e-9
_NO_POWER = 1e-12
_ABSENT = -4.0


class FineStructure(nn.Module):
    """How a log spectrogram without its means varies in time and frequency: [N, 1, 257, frames] -> [N, 272].

    Of each of 16 bands of equal width: skewness and kurtosis; correlation with itself 1, 2, 3, 5 and 8 frames later,
    and 1, 2, 3, 4 and 6 bins higher; of the difference from frame to frame the logarithm of its power and how peaked
    it is; of the second difference from bin to bin the same, and its skewness. None of them changes with loudness or
    with a fixed equaliser. Every correlation over time or frequency alone is the mean over the band's own bins.
    """

    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bands", band_means(N_FFT))

    def forward(self, spectrum: Tensor) -> Tensor:
        """[N, 1, 257, frames] -> [N, 272]."""
        s = spectrum[:, 0]
        square = s * s
        power = self._of_bands(square).clamp(min=_LEAST)
        found = [
            self._of_bands(square * s) / power**1.5,
            (self._of_bands(square * square) / power**2).clamp(min=_LEAST).log(),
        ]
        found += [self._of_bands(s[:, :, lag:] * s[:, :, :-lag]) / power for lag in _FRAMES_LATER]
        found += [self._of_bands(_up_to(s[:, lag:] * s[:, :-lag], 0, lag)) / power for lag in _BINS_HIGHER]
        found += self._shape(s[:, :, 1:] - s[:, :, :-1])
        bend = _up_to(s[:, 2:] - 2.0 * s[:, 1:-1] + s[:, :-2], 1, 1)
        found += self._shape(bend)
        found.append(self._of_bands(bend * bend * bend) / self._of_bands(bend * bend).clamp(min=_LEAST) ** 1.5)
        return torch.cat(found, dim=1)

    def _shape(self, values: Tensor) -> list[Tensor]:
        power = self._of_bands(values * values).clamp(min=_LEAST)
        return [power.log(), self._of_bands(values.abs()) / power.sqrt()]

    def _of_bands(self, values: Tensor) -> Tensor:
        """[N, 257, frames] -> [N, 16]: mean over frames and the band's bins."""
        return values.mean(dim=2) @ self.bands


class PhaseCoherence(nn.Module):
    """How far the phases of a frame follow each other in frequency: [N, 257, frames] twice -> [N, 96].

    The phase differences of bins two and four apart are averaged over each of 16 bands of a frame, as unit vectors
    weighted by the square root of both amplitudes: 1 where all agree, as in the instant of a pulse, 0 where they are
    random. Of this length the mean over frames by weight, the plain mean and the deviation. A delay turns all
    differences alike and changes no length; an equaliser without long echoes changes little.
    """

    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bands", band_means(N_FFT))

    def forward(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Real and imaginary parts, each [N, 257, frames] -> [N, 96]."""
        amplitude = (real.square() + imaginary.square()).sqrt() + _QUIET
        cosine, sine, root = real / amplitude, imaginary / amplitude, amplitude.sqrt()
        found = []
        for apart in _BINS_APART:
            below, above = slice(None, -apart), slice(apart, None)
            weight = root[:, above] * root[:, below]
            along = (cosine[:, above] * cosine[:, below] + sine[:, above] * sine[:, below]) * weight
            across = (sine[:, above] * cosine[:, below] - cosine[:, above] * sine[:, below]) * weight
            in_band, east, north = (self._of_bands(_up_to(each, 0, apart)) for each in (weight, along, across))
            length = (east.square() + north.square()).sqrt() / in_band.clamp(min=_NOTHING)
            total = in_band.sum(dim=1).clamp(min=_NOTHING)
            mean = length.mean(dim=1)
            spread = (length.square().mean(dim=1) - mean.square()).clamp(min=0.0).sqrt()
            found += [(length * in_band).sum(dim=1) / total, mean, spread]
        return torch.cat(found, dim=1)

    def _of_bands(self, values: Tensor) -> Tensor:
        """[N, 257, frames] -> [N, frames, 16]: mean over the band's bins."""
        return values.transpose(1, 2) @ self.bands


class BandPresence(nn.Module):
    """Which bands hold sound at all: [N, 257, frames] twice -> [N, 16] in [0, 1].

    A telephone's recording has nothing above 4 kHz: what is computed there is of the rounding of samples, and of how a
    resampler ends, and says nothing about who speaks. 0 where the mean power of a band's bins is 1e-4 or less (speech
    at full bandwidth lies between 1e-3 and 1), 1 from 1e-3, by the logarithm in between.
    """

    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bands", band_means(N_FFT))

    def forward(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Real and imaginary parts, each [N, 257, frames] -> [N, 16]."""
        power = (real.square() + imaginary.square()).mean(dim=2) @ self.bands
        return (torch.log10(power + _NO_POWER) - _ABSENT).clamp(0.0, 1.0)


def _up_to(values: Tensor, below: int, above: int) -> Tensor:
    """Rows of zeros below and above, so that there are 257 again."""
    return nn.functional.pad(values, (0, 0, below, above))
