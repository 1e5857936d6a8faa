"""The network: spectrograms computed inside the graph, statistics of them, and one linear unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from telltale_export.voice.spectrum import BANDS, LogSpectrum, scaled
from telltale_export.voice.structure import BandPresence, FineStructure, PhaseCoherence
from telltale_export.voice.voicing import BAND_PAIRS, BandCovariation, HarmonicStructure, PulseEnvelope

OF_ONE_BAND = 272 + 96 + 144 + 208
OF_TWO_BANDS = 2 * len(BAND_PAIRS)
STATISTICS = OF_ONE_BAND + OF_TWO_BANDS
CLIP = 4.0


class VoiceNetwork(nn.Module):
    """Waveform segments -> logits that they are vocoded or synthetic: [N, samples] -> [N, 1].

    The statistics are standardised, cut at four deviations, and weighed; those of a band without sound, or of two
    bands of which one is, count as their mean. What is fitted is ``mean``, ``deviation``, ``weight`` (all [960]) and
    ``bias`` [1].
    """

    mean: Tensor
    deviation: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = LogSpectrum()
        self.structure = FineStructure()
        self.coherence = PhaseCoherence()
        self.harmonics = HarmonicStructure()
        self.pulses = PulseEnvelope()
        self.covariation = BandCovariation()
        self.presence = BandPresence()
        for name, size, value in (
            ("mean", STATISTICS, 0.0),
            ("deviation", STATISTICS, 1.0),
            ("weight", STATISTICS, 0.0),
            ("bias", 1, 0.0),
        ):
            self.register_buffer(name, torch.full((size,), value))

    @property
    def parameters_fitted(self) -> int:
        """How many numbers were fitted."""
        return sum(each.numel() for each in (self.mean, self.deviation, self.weight, self.bias))

    def describe(self, waveform: Tensor) -> Tensor:
        """[N, samples] in [-1, 1] -> [N, 976]: 960 statistics, and how far each of the 16 bands is there (0 to 1)."""
        even = scaled(waveform)
        real, imaginary = self.spectrum.short_time(even)
        found = [
            self.structure(self.spectrum.log_of(real, imaginary)),
            self.coherence(real, imaginary),
            self.harmonics(even),
            self.pulses(even),
            self.covariation(real.square() + imaginary.square()),
        ]
        return torch.cat([*found, self.presence(real, imaginary)], dim=1)

    def logits_of(self, described: Tensor) -> Tensor:
        """What ``describe`` gives, [N, 976] -> logits [N, 1]."""
        statistics, there = described[:, :STATISTICS], described[:, STATISTICS:]
        standard = ((statistics - self.mean) / self.deviation).clamp(-CLIP, CLIP)
        return ((standard * of_each_statistic(there)) @ self.weight + self.bias)[:, None]

    def forward(self, waveform: Tensor) -> Tensor:
        """[N, samples] in [-1, 1] -> logits [N, 1]."""
        return self.logits_of(self.describe(waveform))


class ServedVoiceNetwork(nn.Module):
    """What is exported: [N, 64000] -> P(fake) before calibration, [N, 1]."""

    def __init__(self, network: VoiceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, waveform: Tensor) -> Tensor:
        """[N, samples] in [-1, 1] -> [N, 1] in [0, 1]."""
        return torch.sigmoid(self.network(waveform))


def of_each_statistic(there: Tensor) -> Tensor:
    """How far each band is there, [N, 16] -> how far what each statistic is of is there, [N, 960]."""
    pairs = there[:, [low for low, _ in BAND_PAIRS]] * there[:, [high for _, high in BAND_PAIRS]]
    return torch.cat([there.repeat(1, OF_ONE_BAND // BANDS), pairs, pairs], dim=1)
