"""The training loop of both face detectors: AdamW, a cosine, bfloat16; what gets served is the moving average."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from telltale_export.faces.network import FaceNet
from telltale_export.training.averaging import follow

Report = Callable[[str], None]
Snapshot = Callable[[FaceNet, int], None]


@dataclass(frozen=True)
class Batch:
    """Crops uint8 [N, S, S, 3] and their targets float32 [N], 1 = fake.

    ``paired``: the second half are forgeries of the first, in the same order.
    """

    pictures: NDArray[np.uint8]
    targets: NDArray[np.float32]
    paired: bool = False


@dataclass(frozen=True)
class Trained:
    """A trained network in inference mode, and the number of crops that it saw."""

    net: FaceNet
    seen: int


@dataclass(frozen=True)
class TrainingOptions:
    """``images`` seen in all, fewer when ``minutes`` are over before (the rate falls in time for either).

    ``pair_weight`` is of the loss that wants each forgery above its own original.
    """

    images: int
    minutes: float = 600.0
    batch: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 1e-2
    warmup: float = 0.03
    decay: float = 0.998
    pair_weight: float = 0.5
    seed: int = 0
    report_every: int = 100


def fit(
    net: FaceNet,
    batches: Iterator[Batch],
    options: TrainingOptions,
    report: Report,
    *,
    snapshot: Snapshot | None = None,
    snapshot_every: int = 500,
) -> Trained:
    """Train the whole network; the moving average of its weights.

    Args:
        net: is changed.
        batches: as many as are asked for.
        options: how long and how fast.
        report: takes a line of progress now and then.
        snapshot: is given the average so far and the number of images seen, every ``snapshot_every`` steps.
        snapshot_every: in steps.
    """
    torch.manual_seed(options.seed)
    net.train()
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(net)
    steps = max(1, options.images // options.batch)
    optimiser = torch.optim.AdamW(_groups(net, options.weight_decay), lr=options.learning_rate)
    began, losses, ranks, since, seen = time.monotonic(), 0.0, 0.0, 0, 0
    for step in range(1, steps + 1):
        done = max((step - 1) / steps, (time.monotonic() - began) / (60 * options.minutes))
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = _rate(done, options)
        batch = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(torch.from_numpy(batch.pictures))
        loss, ranked = _loss(logits.float(), batch, options.pair_weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        follow(average, net, min(options.decay, (1 + step) / (10 + step)))
        seen = step * options.batch
        losses, ranks, since = losses + float(loss.detach()), ranks + ranked, since + 1
        if since == options.report_every:
            pace = seen / (time.monotonic() - began)
            report(f"{seen} images, loss {losses / since:.4f}, right {ranks / since:.3f}, {pace:.1f}/s")
            losses, ranks, since = 0.0, 0.0, 0
        if snapshot is not None and step % snapshot_every == 0:
            snapshot(average, seen)
            net.train()
    return Trained(average.eval(), seen)


@torch.no_grad()
def score(net: FaceNet, pictures: NDArray[np.uint8], batch: int = 64) -> NDArray[np.float64]:
    """P(fake) before calibration of crops uint8 [N, S, S, 3]: float64 [N]."""
    net.eval()
    parts = [
        torch.sigmoid(net(torch.from_numpy(np.ascontiguousarray(pictures[start : start + batch])))).numpy()
        for start in range(0, len(pictures), batch)
    ]
    return np.concatenate(parts).astype(np.float64)


def _rate(done: float, options: TrainingOptions) -> float:
    if done < options.warmup:
        return options.learning_rate * max(done / options.warmup, 0.01)
    return options.learning_rate * max(0.5 + 0.5 * math.cos(math.pi * done), 0.01)


def _groups(net: FaceNet, weight_decay: float) -> list[dict[str, object]]:
    # Norms and biases are not decayed.
    matrices = [p for p in net.parameters() if p.ndim > 1]
    vectors = [p for p in net.parameters() if p.ndim <= 1]
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
