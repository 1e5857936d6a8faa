"""From a plan and shards to a checkpoint that ``convert`` publishes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from telltale_export.architectures import Architecture, build, find_architecture
from telltale_export.architectures.served import Detector
from telltale_export.checkpoints import read_checkpoint
from telltale_export.conversion.source import load_source
from telltale_export.errors import ExportError
from telltale_export.files import write_whole
from telltale_export.training.augmenting import augmentation_for
from telltale_export.training.examples import Examples, read_examples
from telltale_export.training.loop import BEST_FILE, Epoch, Material, train
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
        DataError: the shards do not fit the architecture, or the folder is of another training.
        ExportError: the architecture is not torch's, or TensorBoard is wanted and not there.
    """
    architecture = find_architecture(plan.architecture)
    if plan.small:
        architecture = architecture.at_reduced_width()
    if architecture.framework != "torch":
        raise ExportError(f"{plan.architecture} is trained in {architecture.framework}.", "Choose one of torch's.")
    parts = read_examples(shards, architecture.input.key())
    for name, part in parts.items():
        say(f"{name}: {int((~part.fake).sum())} real and {int(part.fake.sum())} fake media")
    folder.mkdir(parents=True, exist_ok=True)
    material = Material(
        parts["training"], parts["calibration"], augmentation_for(architecture.input, plan.augmentation)
    )
    watch = _tensorboard(folder) if plan.tensorboard else None

    def report(epoch: Epoch) -> None:
        say(
            f"epoch {epoch.number}: training loss {epoch.training_loss:.4f}; calibration media: loss {epoch.loss:.4f}, "
            f"AUC {epoch.auc:.3f}; learning rate {epoch.learning_rate:.2e}"
        )
        if watch is not None:
            watch(epoch)

    history = train(_beginning(architecture, plan), material, plan, folder, report)
    write_whole(folder / _REPORT, json.dumps(_record(plan, parts["training"], history), indent=1).encode())
    return Trained(tuple(history), folder / BEST_FILE)


def _beginning(architecture: Architecture, plan: Plan) -> Detector:
    torch.manual_seed(plan.seed)
    if plan.start_from is None:
        detector: Detector = build(architecture)
        return detector
    loaded: Detector = load_source(architecture, read_checkpoint(plan.start_from)).detector
    return loaded


def _record(plan: Plan, training: Examples, history: list[Epoch]) -> dict[str, object]:
    return {
        "plan": plan.model_dump(mode="json"),
        "framework": f"torch {torch.__version__}",
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
