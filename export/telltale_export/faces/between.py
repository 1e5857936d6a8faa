"""Weights between those that a training began with and those that it ended with (WiSE-FT, Wortsman 2022).

Going on from a version, a network learns what is new and forgets some of what it knew. As long as both ends lie in one
valley, the weights between them are better at both than either end.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from telltale_export.evaluation import area_under_roc
from telltale_export.faces.measuring import Collection
from telltale_export.faces.network import FaceNet
from telltale_export.faces.recipe import Report
from telltale_export.faces.training import Trained, score

SHARES = (0.25, 0.5, 0.75, 1.0)


def best_trained(
    start: FaceNet, trained: Trained, calibration: Sequence[Collection], report: Report
) -> tuple[Trained, float]:
    """The best on the way to what was trained, by the mean AUC over calibration media, and the share of the latter."""

    def worth(net: FaceNet) -> float:
        return float(np.mean([_auc(net, collection) for collection in calibration]))

    net, share, found = best_between(start, trained.net, worth)
    report(f"{share:g} of the trained weights, the rest those it began with: AUC on calibration faces {found:.4f}")
    return Trained(net, trained.seen), share


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


def _auc(net: FaceNet, collection: Collection) -> float:
    raw = collection.raw(partial(score, net))
    fake = np.repeat(np.array(collection.fake, dtype=np.bool_), [len(scores) for scores in raw])
    return area_under_roc(np.concatenate(raw), fake)
