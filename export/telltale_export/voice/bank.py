"""Sounds in memory, and each of them as it is learned from and scored: untouched, and through rooms and codecs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from telltale_export.data import MediaItem
from telltale_export.voice.codecs import CODECS, through_codec, to_float, to_int16
from telltale_export.voice.degrade import draw_channel, through_channel
from telltale_export.voice.sounds import SEGMENT_SAMPLES, Pcm, read_sound, segments

UNTOUCHED = "untouched"
NARROW = "8 kHz"
_LONGEST = 10 * 16_000
Int16 = NDArray[np.int16]


@dataclass(frozen=True)
class SoundBank:
    """Items, and of each the decoded sound: int16 [samples]."""

    items: tuple[MediaItem, ...]
    sounds: tuple[Int16, ...]


def fill_bank(items: Sequence[MediaItem]) -> SoundBank:
    """Decode every item, at most its first ten seconds.

    Raises:
        DataError: an item cannot be decoded.
    """
    return SoundBank(tuple(items), tuple(to_int16(read_sound(item.path)[:_LONGEST]) for item in items))


@dataclass(frozen=True)
class TreatedSound:
    """One file as it is learned from or scored: which item, under which treatment, its segments [N, 64000]."""

    item: int
    treatment: str
    segments: Int16


def treated_sounds(bank: SoundBank, rounds: int, seed: int) -> Iterator[TreatedSound]:
    """Every item through ``rounds`` random channels and codecs; round -1 is the untouched file.

    A channel and codec belong to the group and the round, so siblings get the same. First the room, then the codec;
    milder than the strongest that there are, as uploads are. At last every item as a telephone passes it on.
    """
    for round_ in range(-1, rounds):
        treatments = {}
        random = np.random.default_rng([seed, round_ + 1])
        for group in sorted({item.group for item in bank.items}):
            treatments[group] = (draw_channel(random, strength=0.5), CODECS[random.integers(len(CODECS))])
        for index, item in enumerate(bank.items):
            pcm = to_float(bank.sounds[index])
            treatment = UNTOUCHED
            if round_ >= 0:
                channel, codec = treatments[item.group]
                treatment = codec.name
                pcm = through_codec(through_channel(pcm, channel), codec)
            yield TreatedSound(index, treatment, to_int16(segments(pcm, SEGMENT_SAMPLES)))
    for index, sound in enumerate(bank.sounds):
        yield TreatedSound(index, NARROW, to_int16(segments(narrow(to_float(sound)), SEGMENT_SAMPLES)))


def narrow(pcm: Pcm) -> Pcm:
    """Through 8 kHz and back: [samples] -> [samples]; what lies above 4 kHz is gone."""
    there = resample_poly(pcm, 1, 2)
    return np.asarray(resample_poly(there, 2, 1)[: len(pcm)], dtype=np.float32)
