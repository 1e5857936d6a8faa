"""Statistics of what a voice does: its harmonics, the pulses of its glottis, how its bands rise and fall together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from telltale_export.voice.sounds import SAMPLE_RATE
from telltale_export.voice.spectrum import BANDS, N_FFT, ShortTime, band_means

BAND_PAIRS = tuple((low, high) for low in range(BANDS) for high in range(low + 1, BANDS))
_FINE_FFT, _FINE_HOP, _BINS_AROUND, _BINS_HIGHER = 1024, 256, 31, range(5, 26)
_SHORT_FFT, _SHORT_HOP, _MS_AROUND, _BLOCK_MS, _MS_LATER = 64, SAMPLE_RATE // 1000, 31, 100, range(2, 15)
_STILL = 1e-3
_FLOOR = 1e-9
_LEAST = 1e-4
_NOTHING = 1e-9


class HarmonicStructure(nn.Module):
    """How a frame's log spectrum repeats itself at the distance of harmonics: scaled [N, samples] -> [N, 144].

    Bins of 15.6 Hz in frames of 64 ms; each bin's mean over time, and the mean over 31 bins around, are taken off. Of
    each of 16 bands of a frame, the correlation with itself 5 to 25 bins (78 to 391 Hz) lower: the greatest tells how
    harmonic it is, the least how deep the valleys between the harmonics are. Of the greatest the plain mean over
    frames, the deviation and the mean weighted by amplitude; of the least both means; of the variance the mean of its
    logarithm and the logarithm of its weighted mean; and skewness and kurtosis over the band. Nothing of it changes
    with loudness or with a fixed equaliser.
    """

    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.short_time = ShortTime(_FINE_FFT, _FINE_FFT, _FINE_HOP)
        self.register_buffer("bands", band_means(_FINE_FFT))

    def forward(self, waveform: Tensor) -> Tensor:
        """[N, samples] -> [N, 144]."""
        power = self.short_time.power(waveform).transpose(1, 2)
        spectrum = torch.log(power + _FLOOR)
        spectrum = _without_surroundings((spectrum - spectrum.mean(dim=1, keepdim=True)) * 0.25, _BINS_AROUND)
        square = spectrum * spectrum
        variance = square @ self.bands + _LEAST
        higher = torch.stack([self._with_itself(spectrum, bins) / variance for bins in _BINS_HIGHER])
        most, least = higher.amax(dim=0), higher.amin(dim=0)
        weight = _shares((power @ self.bands).sqrt(), dim=1)
        of_band = square.mean(dim=1) @ self.bands + _LEAST
        found = [
            most.mean(dim=1),
            _deviation(most, dim=1),
            (most * weight).sum(dim=1),
            least.mean(dim=1),
            (least * weight).sum(dim=1),
            variance.log().mean(dim=1),
            (variance * weight).sum(dim=1).clamp(min=_NOTHING).log(),
            (square * spectrum).mean(dim=1) @ self.bands / of_band**1.5,
            ((square * square).mean(dim=1) @ self.bands / of_band**2).clamp(min=_NOTHING).log(),
        ]
        return torch.cat(found, dim=1)

    def _with_itself(self, spectrum: Tensor, bins: int) -> Tensor:
        """[N, frames, 513] -> [N, frames, 16]: the product with what lies so many bins lower, averaged over bands."""
        return (spectrum[:, :, bins:] * spectrum[:, :, :-bins]) @ self.bands[bins:]


class PulseEnvelope(nn.Module):
    """How the envelopes of 16 bands follow the pulses of the glottis: scaled [N, samples] -> [N, 208].

    Log envelopes from windows of 4 ms, one each millisecond, less their mean over 31 ms around. In blocks of 100 ms,
    the correlation of each with itself 2 to 14 ms later (71 to 500 Hz): of the greatest the mean over blocks, the
    deviation and the mean weighted by amplitude; of the least both means; of the logarithm of the variance the plain
    mean, the weighted one and the deviation; skewness and kurtosis over the segment; and the mean correlations 2, 3 and
    4 ms later.
    """

    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.short_time = ShortTime(_SHORT_FFT, _SHORT_FFT, _SHORT_HOP)
        self.register_buffer("bands", band_means(_SHORT_FFT))

    def forward(self, waveform: Tensor) -> Tensor:
        """[N, samples] -> [N, 208]."""
        power = (self.short_time.power(waveform).transpose(1, 2) @ self.bands).transpose(1, 2)
        envelope = _without_surroundings(torch.log(power + _FLOOR), _MS_AROUND) * 0.5
        blocks, levels = self._blocks(envelope), self._blocks(power).mean(dim=3).sqrt()
        variance = blocks.square().mean(dim=3) + _LEAST
        later = torch.stack(
            [(blocks[..., lag:] * blocks[..., :-lag]).mean(dim=3) / variance for lag in _MS_LATER],
        )
        most, least = later.amax(dim=0), later.amin(dim=0)
        weight = _shares(levels, dim=2)
        of_band = blocks.square().mean(dim=(2, 3)) + _LEAST
        found = [
            most.mean(dim=2),
            _deviation(most, dim=2),
            (most * weight).sum(dim=2),
            least.mean(dim=2),
            (least * weight).sum(dim=2),
            variance.log().mean(dim=2),
            (variance.log() * weight).sum(dim=2),
            _deviation(variance.log(), dim=2),
            (blocks**3).mean(dim=(2, 3)) / of_band**1.5,
            ((blocks**4).mean(dim=(2, 3)) / of_band**2).clamp(min=_NOTHING).log(),
            *later[:3].mean(dim=3),
        ]
        return torch.cat(found, dim=1)

    def _blocks(self, values: Tensor) -> Tensor:
        """[N, 16, frames] -> [N, 16, blocks, 100]; what is left over at the end is left out."""
        whole = values.shape[2] // _BLOCK_MS
        return values[:, :, : whole * _BLOCK_MS].reshape(-1, BANDS, whole, _BLOCK_MS)


class BandCovariation(nn.Module):
    """How 16 bands rise and fall together: power [N, 257, frames] -> [N, 240].

    Of every two bands, in the order of ``BAND_PAIRS``: the correlation of their log power over frames of 10 ms, and
    that of its difference from frame to frame.
    """

    bands: Tensor
    places: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bands", band_means(N_FFT))
        self.register_buffer("places", torch.tensor([low * BANDS + high for low, high in BAND_PAIRS]))

    def forward(self, power: Tensor) -> Tensor:
        """[N, 257, frames] -> [N, 240]."""
        level = torch.log(power.transpose(1, 2) @ self.bands + _FLOOR)
        return torch.cat([self._correlations(level), self._correlations(level[:, 1:] - level[:, :-1])], dim=1)

    def _correlations(self, values: Tensor) -> Tensor:
        """[N, frames, 16] -> [N, 120]."""
        centred = values - values.mean(dim=1, keepdim=True)
        standard = centred / (centred.square().mean(dim=1, keepdim=True).sqrt() + _STILL)
        both = standard.transpose(1, 2) @ standard / values.shape[1]
        return both.flatten(1)[:, self.places]


def _without_surroundings(values: Tensor, around: int) -> Tensor:
    """[N, rows, places] less the mean of so many places around each, of as many as there are at the ends."""
    return values - nn.functional.avg_pool1d(values, around, 1, around // 2, count_include_pad=False)


def _shares(values: Tensor, dim: int) -> Tensor:
    return values / values.sum(dim=dim, keepdim=True).clamp(min=_NOTHING)


def _deviation(values: Tensor, dim: int) -> Tensor:
    return (values - values.mean(dim=dim, keepdim=True)).square().mean(dim=dim).sqrt()
