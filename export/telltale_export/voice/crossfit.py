"""Score every sound by a network that never heard its source: for calibration, and for the truth about new channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_export.data import MediaItem
from telltale_export.voice.bank import TreatedSound
from telltale_export.voice.codecs import to_float
from telltale_export.voice.discriminant import DescribedSound, TrainingPlan, fit_network
from telltale_export.voice.network import VoiceNetwork
from telltale_export.voice.sounds import Pcm

Progress = Callable[[str], None]
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
    items: Sequence[MediaItem],
    described: Sequence[DescribedSound],
    folds: Sequence[Fold],
    plan: TrainingPlan,
    progress: Progress,
) -> Mapping[str, list[ScoredSound]]:
    """Fit one network a fold and score the sounds of the sources that it has not seen, by fold name."""
    scored = {}
    for fold in folds:
        progress(f"without {fold.name}: {len(fold.training)} files to learn from")
        network = fit_network(items, described, fold.training, plan)
        scored[fold.name] = [
            score_described(network, each) for each in described if items[each.sound.item].source in fold.held_out
        ]
    return scored


def score_described(network: VoiceNetwork, described: DescribedSound) -> ScoredSound:
    """Raw P(fake) of every segment of a sound whose statistics are known."""
    with torch.inference_mode():
        logits = network.logits_of(torch.from_numpy(described.rows).float())
        raw = torch.sigmoid(logits).double().numpy()[:, 0]
    return ScoredSound(described.sound.item, described.sound.treatment, raw)


def score_sounds(score: Scorer, sounds: Sequence[TreatedSound]) -> list[ScoredSound]:
    """Raw P(fake) of every segment of every sound, in the order given."""
    if not sounds:
        return []
    stacked = np.concatenate([sound.segments for sound in sounds])
    parts = [score(to_float(stacked[start : start + _BATCH])) for start in range(0, len(stacked), _BATCH)]
    ends = np.cumsum([len(sound.segments) for sound in sounds])
    raw = np.split(np.concatenate(parts).astype(np.float64), ends[:-1])
    return [ScoredSound(sound.item, sound.treatment, scores) for sound, scores in zip(sounds, raw, strict=True)]
