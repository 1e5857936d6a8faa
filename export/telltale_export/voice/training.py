"""The training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from telltale_export.training.averaging import follow
from telltale_export.voice.bank import SoundBank
from telltale_export.voice.batches import PairSampler, draw_batch
from telltale_export.voice.network import VoiceNetwork

Progress = Callable[[str], None]
_REPORT_EVERY = 50


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how; ``samples`` is the length of a training crop."""

    steps: int
    pairs: int = 12
    samples: int = 32_000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    average: float = 0.995
    ranking: float = 1.0
    smoothing: float = 0.05
    width: int = 16
    seed: int = 0


def train_network(bank: SoundBank, chosen: list[int], plan: TrainingPlan, progress: Progress) -> VoiceNetwork:
    """Train on the chosen items of the bank; the network with averaged weights, in inference mode.

    The loss is binary cross-entropy, and for siblings (one sentence, genuine and forged, under one channel) also that
    the forged one should score higher: softplus(real - fake) (Burges 2005). Weights are averaged exponentially.

    Raises:
        DataError: the chosen items are of one class.
    """
    torch.manual_seed(plan.seed)
    random = np.random.default_rng(plan.seed)
    sampler = PairSampler(bank.items, chosen)
    network = VoiceNetwork(plan.width)
    network.body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    losses: list[float] = []
    for step in range(plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate * _schedule(step, plan.steps)
        batch = draw_batch(bank, sampler, plan.pairs, plan.samples, random)
        logits = _forward(network, torch.from_numpy(batch.waveforms), random)
        loss = _loss(logits, torch.from_numpy(batch.siblings), plan)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        follow(averaged, network, min(plan.average, (step + 1) / (step + 10)))
        losses.append(float(loss.detach()))
        if (step + 1) % _REPORT_EVERY == 0:
            progress(f"step {step + 1}/{plan.steps}  loss {np.mean(losses[-_REPORT_EVERY:]):.3f}")
    averaged.body.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return averaged.eval()


def _schedule(step: int, steps: int) -> float:
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _forward(network: VoiceNetwork, waveforms: Tensor, random: np.random.Generator) -> Tensor:
    network.train()
    with torch.no_grad():
        spectrum = _masked(network.spectrum(waveforms), random).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network.logits_of_spectrum(spectrum)
    return logits.float()[:, 0]


def _masked(spectrum: Tensor, random: np.random.Generator) -> Tensor:
    # SpecAugment (Park 2019): zero is each bin's mean.
    _, _, bins, frames = spectrum.shape
    for row in range(len(spectrum)):
        for axis, size, widest in ((1, bins, 24), (2, frames, 20)):
            width = int(random.integers(0, widest + 1))
            start = int(random.integers(0, size - width + 1))
            spectrum[row].narrow(axis, start, width).zero_()
    return spectrum


def _loss(logits: Tensor, siblings: Tensor, plan: TrainingPlan) -> Tensor:
    real, fake = logits.chunk(2)
    target = torch.cat([torch.full_like(real, plan.smoothing), torch.full_like(fake, 1.0 - plan.smoothing)])
    loss = nn.functional.binary_cross_entropy_with_logits(logits, target)
    if siblings.any():
        loss = loss + plan.ranking * nn.functional.softplus(real - fake)[siblings].mean()
    return loss
