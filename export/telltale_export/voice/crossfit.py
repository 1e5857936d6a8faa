"""Score every sound by a network that never heard its source: for calibration, and for the truth about new channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_export.data import MediaItem
from telltale_export.voice.bank import HeldOutSound, SoundBank
from telltale_export.voice.codecs import to_float
from telltale_export.voice.network import VoiceNetwork
from telltale_export.voice.sounds import Pcm
from telltale_export.voice.training import Progress, TrainingPlan, train_network

Scorer = Callable[[Pcm], NDArray[np.float32]]
"""Segments [N, 64000] -> raw P(fake) [N]."""

_BATCH = 16


@dataclass(frozen=True)
class ScoredSound:
    """One treated file: its item, the treatment, and the raw P(fake) of each of its segments [N]."""

    item: int
    treatment: str
    raw: NDArray[np.float64]


@dataclass(frozen=True)
class Fold:
    """Sources that are held out together, and the items that are trained on meanwhile."""

    name: str
    held_out: tuple[str, ...]
    training: tuple[int, ...]


def source_folds(items: Sequence[MediaItem], allowed: Sequence[int]) -> list[Fold]:
    """One fold for each source that has both classes; those with one class are held out together.

    Args:
        items: all items.
        allowed: indices of those that may be trained on (never the test groups).
    """
    labels: dict[str, set[str]] = {}
    for item in items:
        labels.setdefault(item.source, set()).add(item.label)
    together: list[tuple[str, ...]] = [(source,) for source in sorted(labels) if len(labels[source]) == 2]
    lone = tuple(source for source in sorted(labels) if len(labels[source]) == 1)
    if len({label for source in lone for label in labels[source]}) == 2:
        together.append(lone)
    return [
        Fold(" + ".join(sources), sources, tuple(i for i in allowed if items[i].source not in sources))
        for sources in together
    ]


def leave_source_out(
    bank: SoundBank,
    sounds: Sequence[HeldOutSound],
    folds: Sequence[Fold],
    plan: TrainingPlan,
    progress: Progress,
) -> Mapping[str, list[ScoredSound]]:
    """Train one network a fold and score the sounds of the sources that it was not trained on, by fold name."""
    scored = {}
    for number, fold in enumerate(folds):
        progress(f"without {fold.name}:")
        network = train_network(bank, list(fold.training), replace(plan, seed=plan.seed + number + 1), progress)
        mine = [sound for sound in sounds if bank.items[sound.item].source in fold.held_out]
        scored[fold.name] = score_sounds(network_scorer(network), mine)
    return scored


def network_scorer(network: VoiceNetwork) -> Scorer:
    """A network in inference mode as a function of segments."""

    def score(waveforms: Pcm) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(torch.sigmoid(network(torch.from_numpy(waveforms))).numpy()[:, 0])

    return score


def score_sounds(score: Scorer, sounds: Sequence[HeldOutSound]) -> list[ScoredSound]:
    """Raw P(fake) of every segment of every sound, in the order given."""
    if not sounds:
        return []
    stacked = np.concatenate([sound.segments for sound in sounds])
    parts = [score(to_float(stacked[start : start + _BATCH])) for start in range(0, len(stacked), _BATCH)]
    ends = np.cumsum([len(sound.segments) for sound in sounds])
    raw = np.split(np.concatenate(parts).astype(np.float64), ends[:-1])
    return [ScoredSound(sound.item, sound.treatment, scores) for sound, scores in zip(sounds, raw, strict=True)]
