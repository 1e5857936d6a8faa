"""The training loop of both face detectors: AdamW, bfloat16, a rate that rises, stays and falls; what gets served is
the moving average.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from telltale_export.errors import DataError
from telltale_export.faces.network import HALFWAY_CHANNELS, FaceNet
from telltale_export.training.averaging import follow

Report = Callable[[str], None]


@dataclass(frozen=True)
class Batch:
    """Crops uint8 [N, S, S, 3] and their targets float32 [N], 1 = fake.

    ``paired``: the second half are forgeries of the first, in the same order. ``seams``: where each was blended,
    float32 [N, S / 16, S / 16] from 0 to 1, where that is to be learned, too.
    """

    pictures: NDArray[np.uint8]
    targets: NDArray[np.float32]
    paired: bool = False
    seams: NDArray[np.float32] | None = None


# Called with the number of the first batch and the one after the last.
Batches = Callable[[int, int], Iterator[Batch]]


@dataclass(frozen=True)
class Trained:
    """A trained network in inference mode, and the number of crops that it saw."""

    net: FaceNet
    seen: int


@dataclass(frozen=True)
class TrainingOptions:
    """``images`` seen in all: the rate stays as it is until the last ``falling`` share of them.

    ``pair_weight`` is of the loss that wants each forgery above its own original, ``seam_weight`` of the one that wants
    to be shown the seam. ``still``: modules at the network's start that keep the weights they began with.
    """

    images: int
    batch: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 1e-2
    warmup: int = 60
    falling: float = 0.35
    decay: float = 0.998
    pair_weight: float = 0.5
    seam_weight: float = 0.5
    still: int = 0
    seed: int = 0
    report_every: int = 100
    keep_every: int = 100

    @property
    def steps(self) -> int:
        """Batches in all."""
        return max(1, self.images // self.batch)

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0 (Zhai 2022: warm up, stay, fall)."""
        falling = max(1.0, self.falling * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, max(0.01, (self.steps - step) / falling))

    def alike_until(self, other: TrainingOptions) -> int:
        """The number of steps after which trainings of these and of other options still are the same; 0 if never."""
        if replace(other, images=self.images) != self:
            return 0
        return self.steps if self == other else int((1 - self.falling) * min(self.steps, other.steps))


class _Learner:
    """What is trained, and what must be kept of it to go on later as if nothing had happened."""

    def __init__(self, net: FaceNet, options: TrainingOptions) -> None:
        self.net = net
        net.train()
        still = net.features[: options.still]
        still.eval().requires_grad_(False)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(net)
        # Thrown away in the end: what must show the seam must have seen it.
        self.seam_head = nn.Sequential(nn.Conv2d(HALFWAY_CHANNELS, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 1, 1))
        learned = [p for p in (*net.parameters(), *self.seam_head.parameters()) if p.requires_grad]
        self.optimiser = torch.optim.AdamW(_groups(learned, options.weight_decay), lr=options.learning_rate)
        self.step = 0

    def loss(self, batch: Batch, options: TrainingOptions) -> tuple[torch.Tensor, float]:
        """What is to be lowered, and the share that was right."""
        with torch.autocast("cpu", torch.bfloat16):
            maps = self.net.lower(torch.from_numpy(batch.pictures))
            logits = self.net.upper(maps)
            shown = None if batch.seams is None else self.seam_head(maps)
        loss, right = _loss(logits.float(), batch, options.pair_weight)
        if shown is not None and batch.seams is not None:
            wanted = torch.from_numpy(batch.seams)
            loss = loss + options.seam_weight * functional.binary_cross_entropy_with_logits(
                shown.float().squeeze(1), wanted
            )
        return loss, right

    def learn(self, batch: Batch, options: TrainingOptions) -> tuple[float, float]:
        """One step; the loss before it, and the share that was right."""
        for group in self.optimiser.param_groups:
            group["lr"] = options.rate(self.step)
        loss, right = self.loss(batch, options)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        follow(self.average, self.net, min(options.decay, (1 + self.step) / (10 + self.step)))
        return float(loss.detach()), right

    def keep(self, path: Path, options: TrainingOptions) -> None:
        """Write everything down, by one rename."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        torch.save(
            {
                "options": asdict(options),
                "step": self.step,
                "random": torch.get_rng_state(),
                **{name: getattr(self, name).state_dict() for name in _KEPT},
            },
            beside,
        )
        beside.rename(path)

    def resume(self, path: Path, options: TrainingOptions) -> None:
        """Go on from what was written down; with more or fewer images as long as the rate has not begun to fall.

        Raises:
            DataError: it is of a training with other options.
        """
        kept: dict[str, Any] = torch.load(path, weights_only=True)
        if kept["step"] > options.alike_until(TrainingOptions(**kept["options"])):
            raise DataError(
                f"{path} is of a training with other options than these.", "Remove it, or train as it was begun."
            )
        for name in _KEPT:
            getattr(self, name).load_state_dict(kept[name])
        self.step = kept["step"]
        torch.set_rng_state(kept["random"])


_KEPT = ("net", "average", "seam_head", "optimiser")


def fit(
    net: FaceNet,
    batches: Batches,
    options: TrainingOptions,
    report: Report,
    *,
    checkpoint: Path | None = None,
) -> Trained:
    """Train the network; the moving average of its weights.

    Args:
        net: is changed.
        batches: where they come from, by their numbers.
        options: how long and how fast.
        report: takes a line of progress now and then.
        checkpoint: where to write everything down now and then. When it is there, the training that wrote it goes on,
            and ends with the weights that it would have had.

    Raises:
        DataError: the checkpoint is of a training with other options.
    """
    torch.manual_seed(options.seed)
    learner = _Learner(net, options)
    if checkpoint is not None and checkpoint.is_file():
        learner.resume(checkpoint, options)
        report(f"goes on from {checkpoint.name}: {learner.step * options.batch} images")
    began, from_step, losses, ranks = time.monotonic(), learner.step, 0.0, 0.0
    for batch in batches(learner.step, options.steps):
        loss, ranked = learner.learn(batch, options)
        losses, ranks = losses + loss, ranks + ranked
        if learner.step % options.report_every == 0:
            pace = (learner.step - from_step) * options.batch / (time.monotonic() - began)
            mean_loss, right = losses / options.report_every, ranks / options.report_every
            report(f"{learner.step * options.batch} images, loss {mean_loss:.4f}, right {right:.3f}, {pace:.1f}/s")
            losses, ranks = 0.0, 0.0
        if checkpoint is not None and learner.step % options.keep_every == 0:
            learner.keep(checkpoint, options)
    return Trained(learner.average.eval().requires_grad_(True), learner.step * options.batch)


@torch.no_grad()
def score(net: FaceNet, pictures: NDArray[np.uint8], batch: int = 64) -> NDArray[np.float64]:
    """P(fake) before calibration of crops uint8 [N, S, S, 3]: float64 [N]."""
    net.eval()
    parts = [
        torch.sigmoid(net(torch.from_numpy(np.ascontiguousarray(pictures[start : start + batch])))).numpy()
        for start in range(0, len(pictures), batch)
    ]
    return np.concatenate(parts).astype(np.float64)


def _groups(parameters: list[nn.Parameter], weight_decay: float) -> list[dict[str, object]]:
    # Norms and biases are not decayed.
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _loss(logits: torch.Tensor, batch: Batch, pair_weight: float) -> tuple[torch.Tensor, float]:
    targets = torch.from_numpy(batch.targets)
    loss = functional.binary_cross_entropy_with_logits(logits, targets)
    right = float(((logits > 0) == (targets > 0.5)).float().mean())
    if batch.paired:
        genuine, forged = logits.chunk(2)
        loss = loss + pair_weight * functional.softplus(genuine - forged).mean()
        right = float((forged > genuine).float().mean())
    return loss, right
