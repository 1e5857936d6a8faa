"""Random weights with which a network's answers differ from item to item."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def random_weights(detector: Any, seed: int) -> Any:
    """The detector in inference mode, its batch norms with statistics as if it had been trained."""
    generator = torch.Generator().manual_seed(seed)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            for values, low, high in ((module.running_mean, -0.1, 0.1), (module.running_var, 0.5, 1.5)):
                assert values is not None
                values.copy_(torch.rand(values.shape, generator=generator) * (high - low) + low)
    return detector.eval()
