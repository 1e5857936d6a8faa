"""The learning rate at any step, whichever framework takes it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from telltale_export.training.plan import Cosine, Plan, Step

_LEAST = 0.01
_BETTER = 1e-4


def learning_rate(plan: Plan, step: int, steps: int, losses: Sequence[float]) -> float:
    """What the plan's schedule gives for a step.

    Args:
        plan: see there.
        step: how many steps were taken before it.
        steps: how many an epoch has.
        losses: on the calibration split, of every epoch that is over.
    """
    schedule, full = plan.schedule, plan.learning_rate
    if isinstance(schedule, Cosine):
        total = steps * plan.epochs
        warm = max(1, int(schedule.warmup * total))
        if step < warm:
            return full * (step + 1) / warm
        return full * max(_LEAST, 0.5 + 0.5 * math.cos(math.pi * (step - warm) / max(1, total - warm)))
    if isinstance(schedule, Step):
        return full * float(schedule.factor ** (len(losses) // schedule.every))
    return full * float(schedule.factor ** _falls(losses, schedule.patience))


def _falls(losses: Sequence[float], patience: int) -> int:
    """How often more than ``patience`` epochs in a row were none better than the best before (by a ten-thousandth)."""
    best, waited, falls = math.inf, 0, 0
    for loss in losses:
        if loss < best * (1.0 - _BETTER):
            best, waited = loss, 0
            continue
        waited += 1
        if waited > patience:
            falls, waited = falls + 1, 0
    return falls
