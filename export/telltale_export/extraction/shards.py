"""Shards: some media each, their tensors side by side, whole or not there.

A shard is a safetensors file. For each spec of the recipe it has a tensor under the spec's key (leading dimension =
items of all its media) and beside it int32 ``<key>.medium``, ``<key>.frame`` and ``<key>.track``: the place in the
shard's list of media, and the indices of the bundle. The list, and what was skipped, lie in its metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from telltale_contracts import TensorBundle

from telltale_export.data import Label, MediaItem, Modality, SplitName
from telltale_export.errors import DataError
from telltale_export.files import write_whole

_METADATA = "telltale"


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Medium(_Kept):
    """One medium of a shard, as its data set describes it."""

    path: str
    modality: Modality
    label: Label
    family: str
    source: str
    group: str
    licence: str
    split: SplitName | None

    @classmethod
    def of(cls, item: MediaItem) -> Medium:
        """The row of a labelled medium."""
        return cls.model_validate({**vars(item), "path": str(item.path)})

    def item(self) -> MediaItem:
        """The labelled medium of the row."""
        return MediaItem(**{**self.model_dump(), "path": Path(self.path)})


class Skipped(_Kept):
    """A medium, or of a medium what one spec wants, that is not in the shard; ``key`` is none where nothing is."""

    path: str
    label: Label
    code: str
    reason: str
    key: str | None = None


class Contents(_Kept):
    """What a shard holds, and what it does not."""

    media: tuple[Medium, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Extracted:
    """The items [N, ...] that one spec has of one medium, and the frame and face track of each."""

    medium: Medium
    items: NDArray[np.generic]
    frame: NDArray[np.int32]
    track: NDArray[np.int32]


def write_shard(path: Path, bundles: Sequence[tuple[MediaItem, TensorBundle]], skipped: Sequence[Skipped]) -> None:
    """Write a shard by one rename."""
    tensors: dict[str, NDArray[np.generic]] = {}
    for key in dict.fromkeys(key for _, bundle in bundles for key in bundle.tensors):
        parts = [(place, bundle) for place, (_, bundle) in enumerate(bundles) if key in bundle.tensors]
        tensors[key] = np.concatenate([bundle.tensors[key] for _, bundle in parts])
        tensors[f"{key}.frame"] = np.concatenate([bundle.frame[key] for _, bundle in parts])
        tensors[f"{key}.track"] = np.concatenate([bundle.track[key] for _, bundle in parts])
        lengths = [len(bundle.tensors[key]) for _, bundle in parts]
        tensors[f"{key}.medium"] = np.repeat([place for place, _ in parts], lengths).astype(np.int32)
    contents = Contents(media=tuple(Medium.of(item) for item, _ in bundles), skipped=tuple(skipped))
    write_whole(path, save(tensors, metadata={_METADATA: contents.model_dump_json()}))


def read_contents(path: Path) -> Contents:
    """What a shard holds.

    Raises:
        DataError: it is no shard.
    """
    try:
        with safe_open(path, "numpy") as shard:
            return Contents.model_validate_json(shard.metadata()[_METADATA])
    except (OSError, SafetensorError, KeyError, TypeError, ValidationError) as error:
        raise DataError(f"{path} is no shard: {error}.", "Delete it, and extract again.") from error


def read_items(folder: Path, key: str) -> Iterator[Extracted]:
    """What an extraction has for one spec, medium after medium.

    Raises:
        DataError: there is no shard, or one is none.
    """
    for path in shards_in(folder):
        contents = read_contents(path)
        with safe_open(path, "numpy") as shard:
            if key not in shard.keys():  # noqa: SIM118 - no mapping, and not iterable
                continue
            rows: dict[str, Any] = {name: shard.get_tensor(f"{key}.{name}") for name in ("medium", "frame", "track")}
            items = shard.get_tensor(key)
        for place, medium in enumerate(contents.media):
            of_medium = rows["medium"] == place
            if of_medium.any():
                yield Extracted(medium, items[of_medium], rows["frame"][of_medium], rows["track"][of_medium])


def shards_in(folder: Path) -> list[Path]:
    """The shards of an extraction, in order.

    Raises:
        DataError: there is none.
    """
    found = sorted(folder.glob("shard-*.safetensors"))
    if not found:
        raise DataError(f"{folder} holds no shards.", "Run `extract` first.")
    return found
