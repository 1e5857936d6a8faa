"""Weights between two networks: halfway is halfway, and the best on the way is taken."""

from __future__ import annotations

import copy

import pytest
import torch
from telltale_export.faces.between import SHARES, best_between, between
from telltale_export.faces.network import FaceNet


@pytest.fixture
def ends() -> tuple[FaceNet, FaceNet]:
    """Two networks, in batch norms' statistics too."""
    torch.manual_seed(0)
    start, end = FaceNet(), FaceNet()
    for net in (start, end):
        net.train()(torch.randint(0, 256, (2, 160, 160, 3), dtype=torch.uint8))
    return start.eval(), end.eval()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_every_weight_lies_between_and_both_ends_stay_as_they_are(ends: tuple[FaceNet, FaceNet], share: float) -> None:
    start, end = (copy.deepcopy(net.state_dict()) for net in ends)
    mixed = between(*ends, share).state_dict()
    for name, value in mixed.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (1 - share) * start[name] + share * end[name])
    for net, before in zip(ends, (start, end), strict=True):
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("best", SHARES)
def test_the_best_on_the_way_is_taken(ends: tuple[FaceNet, FaceNet], best: float) -> None:
    start, end = ends
    ranked = {share: between(start, end, share).state_dict()["features.0.conv.weight"] for share in SHARES}

    def worth(net: FaceNet) -> float:
        weight = net.state_dict()["features.0.conv.weight"]
        share = min(ranked, key=lambda share: float((ranked[share] - weight).abs().max()))
        return 1.0 - abs(share - best)

    net, share, found = best_between(start, end, worth)
    assert (share, found) == (best, 1.0)
    torch.testing.assert_close(net.state_dict()["features.0.conv.weight"], ranked[best])
