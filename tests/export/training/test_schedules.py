"""The learning rate of every schedule, beside torch's own."""

from __future__ import annotations

import pytest
import torch
from telltale_export.training.plan import Plan
from telltale_export.training.schedules import learning_rate

LOSSES = [1.0, 0.8, 0.8, 0.81, 0.79, 0.9, 0.9, 0.9, 0.9, 0.5]


def _plan(**schedule: object) -> Plan:
    return Plan.model_validate({"architecture": "aasist", "learning_rate": 0.1, "epochs": 10, "schedule": schedule})


def _optimiser() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


@pytest.mark.parametrize("patience", [0, 1, 2])
def test_plateau_is_torchs(patience: int) -> None:
    optimiser = _optimiser()
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.3, patience=patience)
    plan = _plan(kind="plateau", patience=patience, factor=0.3)
    for epoch in range(len(LOSSES)):
        optimiser.step()
        schedule.step(LOSSES[epoch])
        assert learning_rate(plan, 0, 1, LOSSES[: epoch + 1]) == pytest.approx(optimiser.param_groups[0]["lr"])


def test_step_is_torchs() -> None:
    optimiser = _optimiser()
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 3, 0.5)
    plan = _plan(kind="step", every=3, factor=0.5)
    for epoch in range(len(LOSSES)):
        optimiser.step()
        schedule.step()
        assert learning_rate(plan, 0, 1, LOSSES[: epoch + 1]) == pytest.approx(optimiser.param_groups[0]["lr"])


def test_cosine_rises_and_falls_to_a_hundredth() -> None:
    plan = _plan(kind="cosine", warmup=0.1)
    rates = [learning_rate(plan, step, 10, []) for step in range(101)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[9] == pytest.approx(0.1)
    assert rates[55] == pytest.approx(0.05)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[100] == pytest.approx(0.001)
