"""Train a detector epoch by epoch; each is kept by one rename, so that the next can follow after an interruption.

Everything random in an epoch is drawn from the seed and the epoch's number: a training that was interrupted and resumed
gives the network that it would have given.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter

from telltale_export.calibration import logit
from telltale_export.errors import DataError
from telltale_export.evaluation import area_under_roc
from telltale_export.evaluation.metrics import Bools, Floats
from telltale_export.files import write_whole
from telltale_export.training.augmenting import Augment
from telltale_export.training.examples import Examples, epoch_order
from telltale_export.training.forging import Forge
from telltale_export.training.learner import EDGE, Items, Learner
from telltale_export.training.plan import Plan
from telltale_export.training.schedules import learning_rate

STATE_FILE = "state.npz"
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
_HISTORY = TypeAdapter(list[Epoch])


@dataclass(frozen=True)
class Material:
    """What is learned from, what tells when to stop, and how an item is forged and changed before it is learned."""

    training: Examples
    calibration: Examples
    augment: Augment
    forge: Forge | None = None

    def digest(self) -> str:
        """Of what was extracted: an epoch on other media is none of the same training."""
        return f"{self.training.digest()} {self.calibration.digest()}"

    def draw(self, index: int, forged: float, random: np.random.Generator) -> Items:
        """An item of a training medium, changed; in place of a fake one, so often, a genuine one that was forged."""
        training = self.training
        if self.forge is not None and training.fake[index] and random.random() < forged:
            genuine = int(random.choice(np.flatnonzero(~training.fake)))
            return self.augment(self.forge(training.item(genuine, random), random), random)
        return self.augment(training.item(index, random), random)

    def class_weights(self, plan: Plan) -> Floats:
        """Of the genuine and the forged class in the loss [2]."""
        if plan.balance != "weights":
            return np.ones(2)
        fake = self.training.fake
        return np.asarray(len(fake) / (2.0 * np.bincount(fake, minlength=2)))


def train(learner: Learner, material: Material, plan: Plan, folder: Path, report: Report) -> list[Epoch]:
    """Train until the plan's epochs are over or nothing gets better; the learner's best file holds the best average.

    Args:
        learner: is changed; its weights are those to begin with.
        material: see there.
        plan: how.
        folder: where state and best network are kept; a state of the same plan and material there is
            followed.
        report: takes every epoch when it is kept.

    Raises:
        DataError: the folder's state is of another plan or of other shards.
    """
    digest = material.digest()
    history = _restored(learner, plan, digest, folder / STATE_FILE)
    while len(history) < plan.epochs and _stale(history) < (plan.early_stopping or plan.epochs):
        history.append(_epoch(learner, material, plan, history))
        if _stale(history) == 0:
            write_whole(folder / learner.best_file, learner.weights())
        write_whole(folder / STATE_FILE, _state(learner, plan, digest, history))
        report(history[-1])
    return history


def _epoch(learner: Learner, material: Material, plan: Plan, history: list[Epoch]) -> Epoch:
    number, before = len(history) + 1, [epoch.loss for epoch in history]
    steps = -(-len(epoch_order(material.training.fake, plan.balance, np.random.default_rng(0))) // plan.batch)
    learner.begin(number)
    losses = []
    for step, (items, fake) in enumerate(_batches(material, plan, number)):
        taken = (number - 1) * steps + step
        rate = learning_rate(plan, taken, steps, before)
        losses.append(learner.learn(items, fake, rate, min(plan.average, (taken + 1) / (taken + 10))))
    loss, auc = _judge(learner, material.calibration)
    return Epoch(
        number=number,
        learning_rate=learning_rate(plan, number * steps, steps, [*before, loss]),
        training_loss=float(np.mean(losses)),
        loss=loss,
        auc=auc,
    )


def _batches(material: Material, plan: Plan, number: int) -> Iterator[tuple[Items, Bools]]:
    random = np.random.default_rng([plan.seed, number])
    training = material.training
    order = epoch_order(training.fake, plan.balance, random)
    for start in range(0, len(order), plan.batch):
        chosen = order[start : start + plan.batch].tolist()
        if len(chosen) < 2:  # batch norm has no deviation of one item
            continue
        items = [material.draw(index, plan.augmentation.self_blend, random) for index in chosen]
        yield np.stack(items), training.fake[chosen]


def _judge(learner: Learner, examples: Examples) -> tuple[float, float]:
    """Log loss, both classes weighed alike, and AUC of whole media: the mean log-odds of their items."""
    scores = np.array([_score(learner, examples.items(index)) for index in range(len(examples.examples))])
    right = np.clip(np.where(examples.fake, scores, 1.0 - scores), EDGE, 1.0)
    loss = -(np.log(right[examples.fake]).mean() + np.log(right[~examples.fake]).mean()) / 2.0
    return float(loss), area_under_roc(scores, examples.fake)


def _score(learner: Learner, items: Items) -> float:
    parts = [
        learner.answer(items[start : start + _VALIDATION_BATCH]) for start in range(0, len(items), _VALIDATION_BATCH)
    ]
    odds = logit(np.concatenate(parts)).mean()
    return float(1.0 / (1.0 + np.exp(-odds)))


def _state(learner: Learner, plan: Plan, digest: str, history: list[Epoch]) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        plan=np.array(plan.model_dump_json()),
        material=np.array(digest),
        history=np.array(_HISTORY.dump_json(history).decode()),
        learner=np.frombuffer(learner.state(), np.uint8),
    )
    return buffer.getvalue()


def _restored(learner: Learner, plan: Plan, digest: str, path: Path) -> list[Epoch]:
    if not path.is_file():
        return []
    try:
        return _restored_from(learner, plan, digest, path)
    except (ValueError, EOFError, KeyError, BadZipFile) as error:
        raise DataError(
            f"{path} is damaged: {' '.join(str(error).split())}.", "Remove it to begin anew, or bring a whole one back."
        ) from error


def _restored_from(learner: Learner, plan: Plan, digest: str, path: Path) -> list[Epoch]:
    with np.load(path, allow_pickle=False) as state:
        if str(state["plan"]) != plan.model_dump_json():
            raise DataError(f"{path} is of a training by another plan.", "Train into an empty folder.")
        # A state without a digest tells nothing of its media, so it cannot be told that these are the same.
        if "material" not in state or str(state["material"]) != digest:
            raise DataError(
                f"{path} is of a training on other media or items than these shards hold.",
                "Train into an empty folder, or give the shards that it began with.",
            )
        learner.restore(state["learner"].tobytes())
        return _HISTORY.validate_json(str(state["history"]))


def _stale(history: list[Epoch]) -> int:
    """How many epochs ago the best one was."""
    if not history:
        return 0
    return len(history) - 1 - int(np.argmin([epoch.loss for epoch in history]))
