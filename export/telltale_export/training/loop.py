"""Train a detector epoch by epoch; each is kept by one rename, so that the next can follow after an interruption.

Everything random in an epoch is drawn from the seed and the epoch's number: a training that was interrupted and resumed
gives the network that it would have given.
"""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from telltale_export.architectures.served import Detector
from telltale_export.calibration import logit
from telltale_export.errors import DataError
from telltale_export.evaluation import area_under_roc
from telltale_export.files import write_whole
from telltale_export.training.augmenting import Augment
from telltale_export.training.averaging import follow
from telltale_export.training.examples import Examples, epoch_order
from telltale_export.training.plan import Cosine, Plan, Step

STATE_FILE, BEST_FILE = "state.pt", "best.pth"
_EDGE = 1e-6
_NORM = 2.0
_VALIDATION_BATCH = 64


class Epoch(BaseModel):
    """One epoch: its learning rate at the end, the loss in training, and loss and AUC of calibration media."""

    model_config = ConfigDict(frozen=True)

    number: int
    learning_rate: float
    training_loss: float
    loss: float
    auc: float


Report = Callable[[Epoch], None]


@dataclass(frozen=True)
class Material:
    """What is learned from, what tells when to stop, and how an item is changed before it is learned."""

    training: Examples
    calibration: Examples
    augment: Augment


def train(detector: Detector, material: Material, plan: Plan, folder: Path, report: Report) -> list[Epoch]:
    """Train until the plan's epochs are over or nothing gets better; best.pth in the folder holds the best average.

    Args:
        detector: is changed; its weights are those to begin with.
        material: see there.
        plan: how.
        folder: where state and best network are kept; a state of the same plan there is followed.
        report: takes every epoch when it is kept.

    Raises:
        DataError: the folder's state is of another plan.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if plan.tensor_cores:
        torch.set_float32_matmul_precision("high")
    run = _Run(detector.to(device), material, plan, device)
    history = run.restore(folder / STATE_FILE)
    for number in range(len(history) + 1, plan.epochs + 1):
        if _stale(history) >= (plan.early_stopping or plan.epochs):
            break
        history.append(run.epoch(number))
        if _stale(history) == 0:
            write_whole(folder / BEST_FILE, _saved({"state_dict": run.average.network.state_dict()}))
        write_whole(folder / STATE_FILE, run.state(history))
        report(history[-1])
    return history


class _Run:
    def __init__(self, detector: Detector, material: Material, plan: Plan, device: torch.device) -> None:
        self.detector, self.average = detector, copy.deepcopy(detector)
        self._material, self._plan, self._device = material, plan, device
        matrices = [p for p in detector.parameters() if p.ndim > 1]
        vectors = [p for p in detector.parameters() if p.ndim <= 1]
        # Norms and biases are not decayed.
        groups = [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, lr=plan.learning_rate)
        fake = material.training.fake
        self._steps = -(-len(epoch_order(fake, plan.balance, np.random.default_rng(0))) // plan.batch)
        self._scheduler = _scheduler(self._optimiser, plan, self._steps * plan.epochs)
        self._weight = torch.ones(2, device=device)
        if plan.balance == "weights":
            counts = np.bincount(fake, minlength=2)
            self._weight = torch.tensor(len(fake) / (2.0 * counts), dtype=torch.float32, device=device)

    def epoch(self, number: int) -> Epoch:
        torch.manual_seed(self._plan.seed * 100_003 + number)
        self.detector.train()
        losses = []
        for step, (items, fake) in enumerate(self._batches(number)):
            loss = self._loss(self.detector(items.to(self._device))["probability"], fake.to(self._device))
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.detector.parameters(), _NORM)
            self._optimiser.step()
            if isinstance(self._plan.schedule, Cosine):
                self._scheduler.step()
            done = (number - 1) * self._steps + step + 1
            follow(self.average, self.detector, min(self._plan.average, done / (done + 9)))
            losses.append(float(loss.detach()))
        calibration_loss, auc = self._validate()
        if isinstance(self._plan.schedule, Step):
            self._scheduler.step()
        elif not isinstance(self._plan.schedule, Cosine):
            self._scheduler.step(calibration_loss)
        rate = float(self._optimiser.param_groups[0]["lr"])
        return Epoch(
            number=number, learning_rate=rate, training_loss=float(np.mean(losses)), loss=calibration_loss, auc=auc
        )

    def _batches(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        random = np.random.default_rng([self._plan.seed, number])
        training, size = self._material.training, self._plan.batch
        order = epoch_order(training.fake, self._plan.balance, random)
        for start in range(0, len(order), size):
            chosen = order[start : start + size].tolist()
            if len(chosen) < 2:  # batch norm has no deviation of one item
                continue
            items = [self._material.augment(training.item(index, random), random) for index in chosen]
            fake = training.fake[chosen].astype(np.float32)
            yield torch.from_numpy(np.stack(items)), torch.from_numpy(fake)

    def _loss(self, probability: Tensor, fake: Tensor) -> Tensor:
        # The served graph ends in a probability; its edges are where a logit of single precision would be 13.8.
        inside = probability.float().clamp(_EDGE, 1.0 - _EDGE)
        weight = self._weight[fake.long()]
        return nn.functional.binary_cross_entropy(inside, fake, weight=weight)

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        """Log loss, both classes weighed alike, and AUC of whole media: the mean log-odds of their items."""
        self.average.eval()
        examples = self._material.calibration
        scores = np.array([self._score(examples.items(index)) for index in range(len(examples.examples))])
        right = np.clip(np.where(examples.fake, scores, 1.0 - scores), _EDGE, 1.0)
        loss = -(np.log(right[examples.fake]).mean() + np.log(right[~examples.fake]).mean()) / 2.0
        return float(loss), area_under_roc(scores, examples.fake)

    def _score(self, items: np.ndarray[Any, Any]) -> float:
        parts = [
            self.average(torch.from_numpy(items[start : start + _VALIDATION_BATCH]).to(self._device))["probability"]
            for start in range(0, len(items), _VALIDATION_BATCH)
        ]
        odds = logit(torch.cat(parts).double().cpu().numpy()).mean()
        return float(1.0 / (1.0 + np.exp(-odds)))

    def state(self, history: list[Epoch]) -> bytes:
        return _saved(
            {
                "plan": self._plan.model_dump_json(),
                "history": [epoch.model_dump() for epoch in history],
                "detector": self.detector.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "scheduler": self._scheduler.state_dict(),
            }
        )

    def restore(self, path: Path) -> list[Epoch]:
        if not path.is_file():
            return []
        state = torch.load(path, map_location=self._device, weights_only=True)
        if state["plan"] != self._plan.model_dump_json():
            raise DataError(f"{path} is of a training by another plan.", "Train into an empty folder.")
        for part, name in (
            (self.detector, "detector"),
            (self.average, "average"),
            (self._optimiser, "optimiser"),
            (self._scheduler, "scheduler"),
        ):
            part.load_state_dict(state[name])
        return [Epoch.model_validate(epoch) for epoch in state["history"]]


def _scheduler(optimiser: torch.optim.Optimizer, plan: Plan, steps: int) -> Any:
    if isinstance(plan.schedule, Step):
        return torch.optim.lr_scheduler.StepLR(optimiser, plan.schedule.every, plan.schedule.factor)
    if isinstance(plan.schedule, Cosine):
        warm = max(1, int(plan.schedule.warmup * steps))

        def rate(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            return max(0.01, 0.5 + 0.5 * math.cos(math.pi * (step - warm) / max(1, steps - warm)))

        return torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    patience, factor = plan.schedule.patience, plan.schedule.factor
    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=factor, patience=patience)


def _stale(history: list[Epoch]) -> int:
    """How many epochs ago the best one was."""
    if not history:
        return 0
    return len(history) - 1 - int(np.argmin([epoch.loss for epoch in history]))


def _saved(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
