"""The network: a spectrogram computed inside the graph, and a light CNN with max-feature-map.

Wu, He, Sun and Tan 2018 (light CNN, max-feature-map); Lavrentyeva et al. 2019 (the same on spectrograms of speech).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SAMPLE_RATE = 16_000
SEGMENT_SAMPLES = 64_000
N_FFT = 512
WIN_LENGTH = 400
HOP_LENGTH = 160
_RMS = 0.1
_SILENCE = 1e-4
_FLOOR = 1e-10


class LogSpectrum(nn.Module):
    """Log power spectrogram of segments scaled to one RMS, minus each bin's mean over time.

    float32 [N, samples] -> [N, 1, 257, frames]. The windowed Fourier transform is a convolution with fixed kernels,
    because no ONNX operator of opset 17 for it is served alike everywhere. Subtracting the mean takes a fixed channel
    (microphone, equaliser) out of the picture, as cepstral mean normalisation does.
    """

    def __init__(self) -> None:
        super().__init__()
        bins = N_FFT // 2 + 1
        time = torch.arange(WIN_LENGTH, dtype=torch.float64)
        window = 0.5 - 0.5 * torch.cos(2 * torch.pi * time / WIN_LENGTH)
        angle = 2 * torch.pi * torch.arange(bins, dtype=torch.float64)[:, None] * time / N_FFT
        kernel = torch.cat([window * torch.cos(angle), window * torch.sin(angle)])
        self.register_buffer("kernel", kernel.to(torch.float32)[:, None, :])

    def forward(self, waveform: Tensor) -> Tensor:
        """[N, samples] in [-1, 1] -> [N, 1, 257, frames]."""
        rms = waveform.square().mean(dim=1, keepdim=True).sqrt()
        # Silence is not blown up to speech: below -80 dBFS the scale stays where it is.
        scaled = waveform * (_RMS / rms.clamp(min=_SILENCE))
        parts = nn.functional.conv1d(scaled[:, None], self.kernel, stride=HOP_LENGTH)  # type: ignore[arg-type]
        real, imaginary = parts.chunk(2, dim=1)
        spectrum = torch.log(real.square() + imaginary.square() + _FLOOR)
        return (spectrum - spectrum.mean(dim=2, keepdim=True))[:, None] * 0.25


class _MaxFeatureMap(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 2 * outputs, kernel, padding=kernel // 2)

    def forward(self, features: Tensor) -> Tensor:
        return _greater(self.conv(features))


def _greater(features: Tensor) -> Tensor:
    first, second = features.chunk(2, dim=1)
    if torch.is_grad_enabled():
        # The same value; on a CPU the gradient of torch.maximum takes longer than all convolutions together.
        return second + torch.relu(first - second)
    return torch.maximum(first, second)


class VoiceNetwork(nn.Module):
    """Waveform segments -> logits that they are vocoded or synthetic: [N, samples] -> [N, 1]."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.spectrum = LogSpectrum()
        w = width
        self.body = nn.Sequential(
            _MaxFeatureMap(1, w, 5),
            nn.MaxPool2d(2),
            _MaxFeatureMap(w, w, 1),
            nn.BatchNorm2d(w),
            _MaxFeatureMap(w, 3 * w // 2, 3),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(3 * w // 2),
            _MaxFeatureMap(3 * w // 2, 3 * w // 2, 1),
            nn.BatchNorm2d(3 * w // 2),
            _MaxFeatureMap(3 * w // 2, 2 * w, 3),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(2 * w),
            _MaxFeatureMap(2 * w, 2 * w, 1),
            nn.BatchNorm2d(2 * w),
            _MaxFeatureMap(2 * w, 2 * w, 3),
            nn.MaxPool2d((2, 1)),
        )
        self.drop = nn.Dropout(0.15)
        # The 257 bins are halved four times to 16 rows, and each row keeps its own weights.
        self.rows = _MaxFeatureMap1d(2 * w * (N_FFT // 2 // 16), 4 * w)
        self.head = nn.Linear(8 * w, 1)

    def logits_of_spectrum(self, spectrum: Tensor) -> Tensor:
        """[N, 1, 257, frames] -> [N, 1]."""
        features = self.body(spectrum)
        frames = self.rows(self.drop(features.flatten(1, 2)))
        mean = frames.mean(dim=2)
        deviation = (frames.square().mean(dim=2) - mean.square()).clamp(min=1e-5).sqrt()
        logits: Tensor = self.head(self.drop(torch.cat([mean, deviation], dim=1)))
        return logits

    def forward(self, waveform: Tensor) -> Tensor:
        """[N, samples] in [-1, 1] -> logits [N, 1]."""
        return self.logits_of_spectrum(self.spectrum(waveform))


class _MaxFeatureMap1d(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, 2 * outputs, 1)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        normed: Tensor = self.norm(_greater(self.conv(features)))
        return normed


class ServedVoiceNetwork(nn.Module):
    """What is exported: [N, 64000] -> P(fake) before calibration, [N, 1]."""

    def __init__(self, network: VoiceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, waveform: Tensor) -> Tensor:
        """[N, samples] in [-1, 1] -> [N, 1] in [0, 1]."""
        return torch.sigmoid(self.network(waveform))
