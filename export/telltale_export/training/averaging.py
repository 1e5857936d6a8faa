"""The moving average of a network's weights, which is what gets served."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Move the average towards the network: keep x average + (1 - keep) x network; counters are copied."""
    own, other = average.state_dict(), network.state_dict()
    floats = [name for name, value in own.items() if value.is_floating_point()]
    torch._foreach_lerp_([own[name] for name in floats], [other[name] for name in floats], 1.0 - keep)
    for name in own.keys() - set(floats):
        own[name].copy_(other[name])
