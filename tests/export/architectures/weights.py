"""Random weights with which a network's answers differ from item to item."""

from __future__ import annotations

from typing import Any

import torch
from telltale_export.architectures import Architecture, Shapes, build
from torch import nn


def random_detector(architecture: Architecture, seed: int, shapes: Shapes | None = None) -> Any:
    """An architecture in inference mode, its batch norms with statistics as if it had been trained.

    Equal seeds give equal weights.
    """
    torch.manual_seed(seed)
    detector = build(architecture, shapes)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            for name, low, high in (("running_mean", -0.1, 0.1), ("running_var", 0.5, 1.5), ("weight", 0.5, 1.5)):
                values = getattr(module, name)
                if values is not None:
                    values.data.copy_(torch.rand(values.shape) * (high - low) + low)
    return detector.eval()
