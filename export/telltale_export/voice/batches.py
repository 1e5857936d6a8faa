"""Batches in which a genuine sound always stands beside a forged one from the same source.

What separates the sources (a studio, a bandwidth, a loudness) then carries no label. Where a source has both classes
of one group (a sentence spoken, and synthesised), the two make a pair that shares place, channel and codec. Sources
that hold one class only cannot be balanced so: a real-only source is paired with a fake-only one, for a limited share
of the batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from telltale_export.data import MediaItem
from telltale_export.errors import DataError
from telltale_export.voice.bank import SoundBank
from telltale_export.voice.degrade import draw_channel, through_channel
from telltale_export.voice.sounds import Pcm, repeat_to

_T = TypeVar("_T")
_LONE_SHARE = 0.25
_STRENGTH = 0.7


@dataclass(frozen=True)
class Pair:
    """Indices of a genuine and a forged sound; ``siblings`` when they are of one group."""

    real: int
    fake: int
    siblings: bool


@dataclass(frozen=True)
class Batch:
    """P pairs: waveforms [2 P, samples], the genuine ones first, and which pairs are siblings [P]."""

    waveforms: Pcm
    siblings: NDArray[np.bool_]


class PairSampler:
    """Draws pairs, every source equally often, every group of it, and every family in the group."""

    def __init__(self, items: Sequence[MediaItem], chosen: Sequence[int]) -> None:
        """``chosen``: indices of the items that may be drawn.

        Raises:
            DataError: there is no genuine, or no forged sound among them.
        """
        sources: dict[str, dict[str, list[int]]] = defaultdict(lambda: {"real": [], "fake": []})
        for index in chosen:
            sources[items[index].source][items[index].label].append(index)
        self._items = items
        self._both = [source for source in sources.values() if source["real"] and source["fake"]]
        self._real_only = [source["real"] for source in sources.values() if not source["fake"]]
        self._fake_only = [source["fake"] for source in sources.values() if not source["real"]]
        if not self._both and not (self._real_only and self._fake_only):
            raise DataError("The training split holds one class only.", "Label both genuine and forged sounds.")

    def draw(self, random: np.random.Generator) -> Pair:
        """One pair."""
        lone = bool(self._real_only) and bool(self._fake_only)
        if not self._both or (lone and random.random() < _LONE_SHARE):
            real = _pick(_pick(self._real_only, random), random)
            return Pair(real, _pick(_pick(self._fake_only, random), random), siblings=False)
        source = _pick(self._both, random)
        return self._of_source(source["real"], source["fake"], random)

    def _of_source(self, reals: list[int], fakes: list[int], random: np.random.Generator) -> Pair:
        group = self._items[_pick(fakes, random)].group
        siblings = [index for index in reals if self._items[index].group == group]
        of_group = [index for index in fakes if self._items[index].group == group]
        family = _pick(sorted({self._items[index].family for index in of_group}), random)
        fake = _pick([index for index in of_group if self._items[index].family == family], random)
        return Pair(_pick(siblings or reals, random), fake, siblings=bool(siblings))


def draw_batch(bank: SoundBank, sampler: PairSampler, pairs: int, samples: int, random: np.random.Generator) -> Batch:
    """One batch: each pair through one codec, one channel, and cut at one place."""
    drawn = [sampler.draw(random) for _ in range(pairs)]
    real: list[Pcm] = []
    fake: list[Pcm] = []
    for pair in drawn:
        variant = int(random.integers(len(bank.sounds[pair.real])))
        channel = draw_channel(random, strength=_STRENGTH)
        position = float(random.random())
        for index, side in ((pair.real, real), (pair.fake, fake)):
            heard = through_channel(bank.crop(index, variant, position, samples + samples // 10), channel)
            side.append(repeat_to(heard, samples)[:samples])
    return Batch(np.stack(real + fake), np.array([pair.siblings for pair in drawn]))


def _pick(choices: Sequence[_T], random: np.random.Generator) -> _T:
    return choices[int(random.integers(len(choices)))]
