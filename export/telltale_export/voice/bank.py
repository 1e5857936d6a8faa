"""Sounds in memory, each untouched and through every codec, for training; and re-encoded once more, for scoring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale_export.data import MediaItem
from telltale_export.voice.codecs import CODECS, through_codec, to_float, to_int16
from telltale_export.voice.degrade import draw_channel, through_channel
from telltale_export.voice.sounds import SEGMENT_SAMPLES, Pcm, read_sound, repeat_to, segments

UNTOUCHED = "untouched"
_LONGEST = 10 * 16_000
Int16 = NDArray[np.int16]


@dataclass(frozen=True)
class SoundBank:
    """Items, and of each the decoded sound: ``sounds[item][variant]``, variant 0 untouched, the rest by codec."""

    items: tuple[MediaItem, ...]
    sounds: tuple[tuple[Int16, ...], ...]

    def crop(self, item: int, variant: int, position: float, samples: int) -> Pcm:
        """``samples`` of a sound at a place in [0, 1] of it: float32 [samples]."""
        sound = to_float(self.sounds[item][variant])
        start = int(position * max(0, len(sound) - samples))
        return repeat_to(sound[start : start + samples], samples)


def fill_bank(items: Sequence[MediaItem], codecs: bool = True) -> SoundBank:
    """Decode every item, at most its first ten seconds, and encode it with every codec.

    Raises:
        DataError: an item cannot be decoded.
    """
    sounds = []
    for item in items:
        pcm = read_sound(item.path)[:_LONGEST]
        coded = [to_int16(through_codec(pcm, codec)) for codec in CODECS] if codecs else []
        sounds.append((to_int16(pcm), *coded))
    return SoundBank(items=tuple(items), sounds=tuple(sounds))


@dataclass(frozen=True)
class HeldOutSound:
    """One file as it is scored: which item, under which treatment, its segments [N, 64000]."""

    item: int
    treatment: str
    segments: Int16


def held_out_sounds(bank: SoundBank, rounds: int, seed: int) -> Iterator[HeldOutSound]:
    """Every item through ``rounds`` random channels and codecs; round -1 is the untouched file.

    A channel and codec belong to the group and the round, so siblings get the same. They come in another order than in
    training (first the room, then the codec), and are milder, as uploads are.
    """
    for round_ in range(-1, rounds):
        treatments = {}
        random = np.random.default_rng([seed, round_ + 1])
        for group in sorted({item.group for item in bank.items}):
            treatments[group] = (draw_channel(random, strength=0.5), CODECS[random.integers(len(CODECS))])
        for index, item in enumerate(bank.items):
            pcm = to_float(bank.sounds[index][0])
            treatment = UNTOUCHED
            if round_ >= 0:
                channel, codec = treatments[item.group]
                treatment = codec.name
                pcm = through_codec(through_channel(pcm, channel), codec)
            yield HeldOutSound(index, treatment, to_int16(segments(pcm, SEGMENT_SAMPLES)))
