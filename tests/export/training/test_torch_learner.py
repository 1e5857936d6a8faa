"""Mixed precision, on the processor that is there: torch's autocast is the same code on a GPU."""

from __future__ import annotations

import pytest
import torch
from telltale_export.training.torch_learner import half_precision, mixed


def test_a_processor_computes_in_single_precision() -> None:
    assert half_precision(torch.device("cpu")) is None
    with mixed(torch.device("cpu"), None):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_products_are_short_and_sigmoids_are_not(half: torch.dtype) -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, 9.0)
    with mixed(torch.device("cpu"), half):
        logit = layer(torch.ones(1, 1))
        probability = torch.sigmoid(logit)
        again = torch.nn.Sigmoid()(logit)
        method = logit.sigmoid()
    assert logit.dtype == half
    assert probability.dtype == again.dtype == method.dtype == torch.float32
    assert 0.999 < float(probability.detach()) < 1.0
    probability.sum().backward()
    assert layer.weight.grad is not None
    assert float(layer.weight.grad) > 0.0
