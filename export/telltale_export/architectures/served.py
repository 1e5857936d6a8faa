"""What every torch architecture is served as: raw input in, P(fake) out, normalisation inside."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Detector(nn.Module):
    """A published network as it is served.

    ``network`` has the published checkpoint's state dict. ``forward`` takes what preprocessing sends (uint8
    [N, H, W, 3] or [N, T, H, W, 3], float32 PCM [N, S], or a feature tensor) and answers ``{"probability": float32
    [N]}``, P(fake) in [0, 1], and ``"heatmap"``: float32 [N, h, w] where the architecture has one.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, served: Tensor) -> dict[str, Tensor]:
        """The answers for a batch of raw inputs."""
        raise NotImplementedError


class Normalise(nn.Module):
    """uint8 [..., H, W, 3] to float32 [..., 3, H, W]: x / 255 minus the mean, by the deviation."""

    scale: Tensor
    offset: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        # One multiplication and one addition: (x / 255 - mean) / std.
        self.register_buffer("scale", 1.0 / (255.0 * torch.tensor(std, dtype=torch.float64)).float(), persistent=False)
        offset = -torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
        self.register_buffer("offset", offset.float(), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalised planes."""
        scaled = pictures.float() * self.scale + self.offset
        before = scaled.ndim - 3
        # Not movedim: of a negative dimension the exporter writes a negative permutation, which ONNX does not know.
        return scaled.permute(*range(before), before + 2, before, before + 1)


def class_activation(features: Tensor, weight: Tensor) -> Tensor:
    """The class activation map (Zhou 2016) of global average pooling + linear.

    Args:
        features: float [N, C, h, w], what is pooled.
        weight: float [C], the weight of the forged class (minus that of the genuine one, where there are two).

    Returns:
        float32 [N, h, w]; its mean plus the bias is the logit of P(fake).
    """
    return torch.einsum("nchw,c->nhw", features, weight)
