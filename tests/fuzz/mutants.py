"""Hostile files out of whole ones: a mutant is its seed, its number and the seeds, so that each can be made again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.fuzz.checksums import with_true_checksums

# Values at which sizes, counts and offsets overflow.
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEAD = 512


@dataclass(frozen=True)
class Mutant:
    """One hostile file: of which format it was made, and how."""

    number: int
    format: str
    ways: tuple[str, ...]
    body: bytes

    def __str__(self) -> str:
        return f"mutant {self.number} ({self.format}: {', '.join(self.ways)})"


def make_mutant(seed: int, number: int, seeds: Mapping[str, bytes]) -> Mutant:
    """The mutant of this number. Formats take turns, so that every one is met equally often."""
    # Text seeds a Random the same way on every machine.
    chance = random.Random(f"{seed}:{number}")  # noqa: S311 - a campaign that can be repeated, not a secret
    names = sorted(seeds)
    name = names[number % len(names)]
    body = bytearray(seeds[name])
    ways = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        way = chance.choice(sorted(_WAYS))
        ways.append(way)
        _WAYS[way](body, chance, seeds)
    if chance.random() < 0.5 and (repaired := with_true_checksums(bytes(body))) != body:
        # So that damage is not told by its checksum alone, but reaches the decoder.
        return Mutant(number, name, (*ways, "true checksums"), repaired)
    return Mutant(number, name, tuple(ways), bytes(body))


Way = Callable[[bytearray, random.Random, Mapping[str, bytes]], None]


def _truncate(body: bytearray, chance: random.Random, _: Mapping[str, bytes]) -> None:
    del body[chance.randrange(len(body) + 1) :]


def _flip_anywhere(body: bytearray, chance: random.Random, _: Mapping[str, bytes]) -> None:
    _flip(body, chance, len(body))


def _flip_in_head(body: bytearray, chance: random.Random, _: Mapping[str, bytes]) -> None:
    _flip(body, chance, min(_HEAD, len(body)))


def _flip(body: bytearray, chance: random.Random, end: int) -> None:
    if end:
        for _ in range(chance.choice((1, 2, 8, 64))):
            body[chance.randrange(end)] ^= 1 << chance.randrange(8)


def _edge_value(body: bytearray, chance: random.Random, _: Mapping[str, bytes]) -> None:
    """A number at the edge of its type, in either byte order; mostly in the first bytes, where headers are."""
    size = chance.choice((1, 2, 4, 8))
    end = len(body) if chance.random() < 0.4 else min(_HEAD, len(body))
    if end > size:
        place = chance.randrange(end - size)
        value = chance.choice(_EDGES) % (1 << 8 * size)
        body[place : place + size] = value.to_bytes(size, chance.choice(("big", "little")))


def _field_of_a_box(body: bytearray, chance: random.Random, _: Mapping[str, bytes]) -> None:
    """Damage near a name of four letters: boxes, chunks and tags of most containers have one, beside their length."""
    names = [place for place in range(4, len(body) - 12) if body[place : place + 4].isalpha()]
    if names:
        place = chance.choice(names) + chance.choice((-4, 4, 8))
        body[place : place + 4] = chance.choice(_EDGES).to_bytes(4, chance.choice(("big", "little")))


def _duplicate(body: bytearray, chance: random.Random, _: Mapping[str, bytes]) -> None:
    start, end = _stretch(body, chance)
    place = chance.choice((end, chance.randrange(len(body) + 1)))
    body[place:place] = body[start:end] * chance.choice((1, 1, 2, 20))


def _remove(body: bytearray, chance: random.Random, _: Mapping[str, bytes]) -> None:
    start, end = _stretch(body, chance)
    del body[start:end]


def _overwrite(body: bytearray, chance: random.Random, _: Mapping[str, bytes]) -> None:
    start, end = _stretch(body, chance)
    body[start:end] = chance.choice((bytes(end - start), b"\xff" * (end - start), chance.randbytes(end - start)))


def _swap(body: bytearray, chance: random.Random, _: Mapping[str, bytes]) -> None:
    start, end = _stretch(body, chance)
    middle = chance.randint(start, end)
    body[start:end] = body[middle:end] + body[start:middle]


def _head_of_another(body: bytearray, chance: random.Random, seeds: Mapping[str, bytes]) -> None:
    other = seeds[chance.choice(sorted(seeds))]
    size = chance.choice((4, 12, 32, 64, 256, 1024))
    if chance.random() < 0.5:
        body[:size] = other[:size]
    else:
        body[:0] = other[:size]


def _piece_of_another(body: bytearray, chance: random.Random, seeds: Mapping[str, bytes]) -> None:
    other = bytearray(seeds[chance.choice(sorted(seeds))])
    start, end = _stretch(other, chance)
    place = chance.randrange(len(body) + 1)
    body[place:place] = other[start:end]


def _stretch(body: bytearray, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(body) + 1)
    return start, min(len(body), start + chance.choice((1, 4, 16, 64, 256, 1024, 4096)))


_WAYS: dict[str, Way] = {
    "truncate": _truncate,
    "flip bits": _flip_anywhere,
    "flip bits in head": _flip_in_head,
    "edge value": _edge_value,
    "field of a box": _field_of_a_box,
    "duplicate": _duplicate,
    "remove": _remove,
    "overwrite": _overwrite,
    "swap": _swap,
    "head of another": _head_of_another,
    "piece of another": _piece_of_another,
}
