"""Weights between those that a training began with and those that it ended with (WiSE-FT, Wortsman 2022).

Going on from a version, a network learns what is new and forgets some of what it knew. As long as both ends lie in one
valley, the weights between them are better at both than either end.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch

from telltale_export.faces.network import FaceNet

SHARES = (0.25, 0.5, 0.75, 1.0)


def best_between(start: FaceNet, end: FaceNet, worth: Callable[[FaceNet], float]) -> tuple[FaceNet, float, float]:
    """The best network on the way, the share of ``end`` in its weights, and its worth.

    Args:
        start: what a training began with.
        end: what it ended with.
        worth: what is to be high, on data of which neither was learned nor is reported.
    """
    best = (end, 1.0, worth(end))
    for share in SHARES[:-1]:
        net = between(start, end, share)
        found = worth(net)
        if found > best[2]:
            best = (net, share, found)
    return best


@torch.no_grad()
def between(start: FaceNet, end: FaceNet, share: float) -> FaceNet:
    """A network with ``share`` of the weights, and of the batch norms' statistics, of ``end``; for inference."""
    net = copy.deepcopy(end)
    ends = end.state_dict()
    mixed = {
        name: value + share * (ends[name] - value) if value.is_floating_point() else ends[name]
        for name, value in start.state_dict().items()
    }
    net.load_state_dict(mixed)
    return net.eval()
