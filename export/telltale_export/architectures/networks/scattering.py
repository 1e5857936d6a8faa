"""Dense layers over the scattering coefficients of a mel spectrogram, drawn as a picture."""

from __future__ import annotations

import torch
from telltale_contracts import InputSpec, Waveform
from torch import Tensor, nn

from telltale_export.architectures.architecture import Shapes
from telltale_export.architectures.networks.class_activation import width_of
from telltale_export.architectures.networks.mel_image import MelImage
from telltale_export.architectures.networks.scattering_transform import Scattering2d
from telltale_export.architectures.served import Detector
from telltale_export.errors import ExportError

_FIRST = "classifier.1.weight"


def build(
    spec: InputSpec,
    shapes: Shapes | None,
    *,
    size: int = 256,
    scales: int = 4,
    angles: int = 8,
    n_fft: int = 2048,
    hop: int = 512,
    width: int = 1024,
) -> Detector:
    """The detector; whether its coefficients are flattened or averaged is read from the first layer's shape."""
    if not isinstance(spec, Waveform):
        raise ExportError(f"scattering-wave takes a waveform, not {spec.kind}.", "Give it the spec of its own.")
    image = MelImage(spec.samples, size=size, bands=size, n_fft=n_fft, hop=hop, sample_rate=spec.sample_rate)
    return ScatteringDetector(image, ScatteringClassifier(shapes, Scattering2d(scales, angles, size), width))


class ScatteringDetector(Detector):
    """float32 PCM [N, samples] to P(fake), float32 [N]; the network's sigmoid is P(real)."""

    def __init__(self, image: MelImage, network: nn.Module) -> None:
        super().__init__(network)
        self.image = image

    def forward(self, served: Tensor) -> dict[str, Tensor]:
        """The answers for a batch of sounds."""
        return {"probability": torch.sigmoid(-self.network(self.image(served))[:, 0])}


class ScatteringClassifier(nn.Module):
    """``scattering``, whose filters are in the state dict, and ``classifier``."""

    def __init__(self, shapes: Shapes | None, scattering: Scattering2d, width: int) -> None:
        super().__init__()
        self.scattering = scattering
        flattened = scattering.channels * scattering.side**2
        given = (shapes or {}).get(_FIRST, (width, flattened))
        self._averaged = given[-1] == scattering.channels
        widths = (
            width_of(shapes, _FIRST, width),
            width_of(shapes, "classifier.5.weight", width // 2),
            width_of(shapes, "classifier.9.weight", width // 8),
        )
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = scattering.channels if self._averaged else flattened
        for outputs in widths:
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.BatchNorm1d(outputs), nn.Dropout()]
            inputs = outputs
        self.classifier = nn.Sequential(*layers, nn.Linear(inputs, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """The logit of P(real), float32 [N, 1], of grey pictures [N, size, size] in [0, 1]."""
        coefficients = self.scattering(pictures)
        logit: Tensor = self.classifier(coefficients.mean(dim=(2, 3)) if self._averaged else coefficients)
        return logit
