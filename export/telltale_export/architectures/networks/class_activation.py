"""Networks whose head is global average pooling and one linear layer: their class activation map is what decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from telltale_export.architectures.architecture import Shapes
from telltale_export.architectures.served import Detector, Normalise, class_activation


class PooledDetector(Detector):
    """uint8 [N, H, W, 3] to P(fake), float32 [N], and its class activation map, float32 [N, h, w].

    The logit of P(fake) is the mean of the map plus a bias, and is computed as that: with two classes the weights are
    the difference of the classes', because softmax over two is the sigmoid of their difference.
    """

    def __init__(
        self,
        network: nn.Module,
        normalise: Normalise,
        features: Callable[[Tensor], Tensor],
        head: nn.Linear,
        fake_class: int = 1,
    ) -> None:
        """``features`` are the network's maps [N, C, h, w] before they are pooled, ``head`` its last layer."""
        super().__init__(network)
        self.normalise = normalise
        self._features = features
        self._head = [head]  # in a list: the network already holds it, and its keys must not come twice
        self._fake = fake_class

    def forward(self, served: Tensor) -> dict[str, Tensor]:
        """The answers for a batch of pictures."""
        head = self._head[0]
        sign = head.weight.new_tensor([1.0])
        if head.out_features == 2:
            sign = head.weight.new_tensor([-1.0, 1.0] if self._fake == 1 else [1.0, -1.0])
        heatmap = class_activation(self._features(self.normalise(served)), sign @ head.weight)
        logit = heatmap.mean(dim=(1, 2)) + (sign * head.bias).sum()
        return {"probability": torch.sigmoid(logit), "heatmap": heatmap}


def width_of(shapes: Shapes | None, key: str, default: int) -> int:
    """The number of outputs of the layer whose weight a checkpoint has under a key; the default where it has none."""
    shape = (shapes or {}).get(key, ())
    return shape[0] if shape else default


def renamed(state: Mapping[str, Any], rules: Mapping[str, str]) -> dict[str, Any]:
    """The same tensors, their keys' first matching prefix replaced."""

    def name(key: str) -> str:
        for old, new in rules.items():
            if key.startswith(old):
                return new + key.removeprefix(old)
        return key

    return {name(key): tensor for key, tensor in state.items()}
