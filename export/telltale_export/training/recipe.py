"""From a plan and shards to a checkpoint that ``convert`` publishes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telltale_export.architectures import Architecture, build, find_architecture
from telltale_export.checkpoints import read_checkpoint
from telltale_export.conversion.source import load_source
from telltale_export.errors import DataError, ExportError
from telltale_export.files import write_whole
from telltale_export.training.augmenting import augmentation_for
from telltale_export.training.examples import Examples, read_examples
from telltale_export.training.forging import forging_for
from telltale_export.training.learner import Learner
from telltale_export.training.loop import Epoch, Material, train
from telltale_export.training.plan import Plan

Say = Callable[[str], None]
_REPORT = "training.json"


@dataclass(frozen=True)
class Trained:
    """Every epoch, and the checkpoint of the best."""

    history: tuple[Epoch, ...]
    checkpoint: Path


def train_network(plan: Plan, shards: Path, folder: Path, say: Say) -> Trained:
    """Train as a plan says; goes on where the same plan was interrupted in this folder.

    Raises:
        DataError: shards or plan do not fit the architecture, or the folder is of another training.
        ExportError: TensorBoard is wanted and not there.
    """
    architecture = find_architecture(plan.architecture)
    if plan.small:
        architecture = architecture.at_reduced_width()
    forge = forging_for(architecture.input)
    if plan.augmentation.self_blend and forge is None:
        raise DataError(
            f"{plan.architecture} looks at {architecture.input.kind}, which cannot be blended with itself.",
            "Leave self_blend out of its plan; face crops can be.",
        )
    parts = read_examples(shards, architecture.input.key())
    for name, part in parts.items():
        say(f"{name}: {int((~part.fake).sum())} real and {int(part.fake.sum())} fake media")
    folder.mkdir(parents=True, exist_ok=True)
    augment = augmentation_for(architecture.input, plan.augmentation)
    material = Material(parts["training"], parts["calibration"], augment, forge)
    watch = _tensorboard(folder) if plan.tensorboard else None

    def report(epoch: Epoch) -> None:
        say(
            f"epoch {epoch.number}: training loss {epoch.training_loss:.4f}; calibration media: loss {epoch.loss:.4f}, "
            f"AUC {epoch.auc:.3f}; learning rate {epoch.learning_rate:.2e}"
        )
        if watch is not None:
            watch(epoch)

    learner = _learner(architecture, plan, material)
    history = train(learner, material, plan, folder, report)
    write_whole(
        folder / _REPORT, json.dumps(_record(plan, learner.framework, parts["training"], history), indent=1).encode()
    )
    return Trained(tuple(history), folder / learner.best_file)


def _learner(architecture: Architecture, plan: Plan, material: Material) -> Learner:
    weight = material.class_weights(plan)
    if architecture.framework == "keras":
        import keras  # noqa: PLC0415 - three seconds

        from telltale_export.architectures.keras_served import settle  # noqa: PLC0415
        from telltale_export.training.keras_learner import KerasLearner  # noqa: PLC0415

        keras.utils.set_random_seed(plan.seed)
        detector = _beginning(architecture, plan)
        settle(detector.network)
        return KerasLearner(architecture, detector, plan, weight)
    import torch  # noqa: PLC0415 - heavy

    from telltale_export.training.torch_learner import TorchLearner  # noqa: PLC0415

    torch.manual_seed(plan.seed)
    return TorchLearner(_beginning(architecture, plan), plan, weight)


def _beginning(architecture: Architecture, plan: Plan) -> Any:
    if plan.start_from is None:
        return build(architecture)
    return load_source(architecture, read_checkpoint(plan.start_from)).detector


def _record(plan: Plan, framework: str, training: Examples, history: list[Epoch]) -> dict[str, object]:
    return {
        "plan": plan.model_dump(mode="json"),
        "framework": framework,
        "groups": len({example.medium.group for example in training.examples}),
        "media": len(training.examples),
        "epochs": [epoch.model_dump() for epoch in history],
    }


def _tensorboard(folder: Path) -> Callable[[Epoch], None]:
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - not part of the environment
    except ImportError as error:
        raise ExportError(
            "TensorBoard is not installed here.", "Install tensorboard beside torch, or leave `tensorboard` out."
        ) from error
    writer = SummaryWriter(folder / "tensorboard")

    def watch(epoch: Epoch) -> None:
        for name in ("training_loss", "loss", "auc", "learning_rate"):
            writer.add_scalar(name, getattr(epoch, name), epoch.number)
        writer.flush()

    return watch
