"""Media in shards as a training draws them: read when they are drawn, in an order that the seed decides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from telltale_export.data import SplitName, require_apart, require_both_classes
from telltale_export.errors import DataError
from telltale_export.extraction.shards import Medium, read_contents, shards_in

Items = NDArray[np.generic]


@dataclass(frozen=True)
class Example:
    """One medium: its shard, and the first and the number of its items there."""

    medium: Medium
    shard: Path
    first: int
    count: int

    @property
    def fake(self) -> bool:
        """Whether it is forged."""
        return self.medium.label == "fake"


class Examples:
    """The media of one split that have items for one spec."""

    def __init__(self, examples: Sequence[Example], key: str) -> None:
        self.examples = tuple(examples)
        self._key = key
        self._open: dict[Path, Any] = {}

    @property
    def fake(self) -> NDArray[np.bool_]:
        """[N]."""
        return np.array([example.fake for example in self.examples], np.bool_)

    def items(self, index: int) -> Items:
        """All items of a medium [n, ...]."""
        example = self.examples[index]
        return self._rows(example.shard, example.first, example.count)

    def item(self, index: int, random: np.random.Generator) -> Items:
        """One of its items, drawn."""
        example = self.examples[index]
        (item,) = self._rows(example.shard, example.first + int(random.integers(example.count)), 1)
        return np.asarray(item)

    def digest(self) -> str:
        """SHA-256 of all media and items in their order: the same wherever the shards lie, whatever else they hold."""
        digest = hashlib.sha256()
        for index, example in enumerate(self.examples):
            items = self.items(index)
            digest.update(f"{example.medium.model_dump_json()} {items.dtype} {items.shape}\n".encode())
            digest.update(np.ascontiguousarray(items).data)
        return digest.hexdigest()

    def _rows(self, shard: Path, first: int, count: int) -> Items:
        if shard not in self._open:
            self._open[shard] = safe_open(shard, "numpy").get_slice(self._key)  # type: ignore[no-untyped-call]
        rows: Items = self._open[shard][first : first + count]
        return rows


def read_examples(folder: Path, key: str) -> dict[SplitName, Examples]:
    """What shards hold for one spec, by split.

    Raises:
        DataError: nothing for this spec, no split, a group in two of them, or a class that is missing in training or
            calibration.
    """
    found = list(_find(folder, key))
    if not found:
        raise DataError(
            f"The shards in {folder} hold nothing for {key}.",
            "Extract what this architecture looks at: --architecture.",
        )
    media = [example.medium.item() for example in found]
    if any(item.split is None for item in media):
        raise DataError(
            f"{sum(item.split is None for item in media)} media of {folder} are in no split.",
            "Divide the data first (`data --to divided.csv`), and extract that list.",
        )
    require_apart(media)
    names: tuple[SplitName, ...] = ("training", "calibration")
    parts = {name: [example for example in found if example.medium.split == name] for name in names}
    for name in names:
        require_both_classes([example.medium.item() for example in parts[name]], f"What is for {name}")
    return {name: Examples(part, key) for name, part in parts.items()}


def epoch_order(
    fake: NDArray[np.bool_], balance: Literal["sampling", "weights", "none"], random: np.random.Generator
) -> NDArray[np.intp]:
    """Which media one epoch draws, in which order: as many as there are; by "sampling" half of them of each class."""
    if balance != "sampling":
        return random.permutation(len(fake))
    half = -(-len(fake) // 2)
    drawn = [random.choice(np.flatnonzero(fake == label), half) for label in (False, True)]
    return np.asarray(random.permutation(np.concatenate(drawn)), dtype=np.intp)


def _find(folder: Path, key: str) -> Iterator[Example]:
    for path in shards_in(folder):
        contents = read_contents(path)
        with safe_open(path, "numpy") as shard:
            if f"{key}.medium" not in shard.keys():  # noqa: SIM118 - no mapping, and not iterable
                continue
            places, first, counts = np.unique(shard.get_tensor(f"{key}.medium"), return_index=True, return_counts=True)
        for place, start, count in zip(places.tolist(), first.tolist(), counts.tolist(), strict=True):
            yield Example(contents.media[place], path, start, count)
