"""Occlusion (Zeiler and Fergus 2014): cover one part of an item after the other, and see what that does to its score.

Every score comes from the served model, in batches no larger than it takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import ChromaHistogram, EyeClip, FaceClip, FrameClip, InputSpec, SoundSpec, Waveform

from telltale_gateway.analysis.fusion import log_odds
from telltale_gateway.serving import Backend, ModelCall

Grid = NDArray[np.float64]

_SIDE = 7
_LEAST_SIDE = 3
_STRETCHES = 16
_MOST_BYTES = 256 * 1024 * 1024
_Cell = tuple[slice, ...]


class TooLarge(Exception):
    """An item of which even a coarse map would have to send too much to the server."""


async def occlusion_map(
    backend: Backend, call: ModelCall, spec: InputSpec, item: NDArray[np.generic], max_batch: int
) -> Grid:
    """By how much the log-odds of an item's raw score fall as each part of it is covered: float [rows, columns].

    A part of a picture is covered with the picture's mean colour, in all frames of a clip at once; of a spectrum with
    each band's mean, of a waveform with silence, of a histogram with no colour at all.

    Raises:
        TooLarge: more than 256 MiB would have to be sent.
        BackendError: the server gave no scores.
    """
    rows, columns = _cells(spec, item)
    cells = [(*before, row, column) for before, row, column in product([_before(spec)], rows, columns)]
    cover = _cover(spec, item)
    whole = log_odds(float((await backend.infer(call, item[None]))[0]))
    scores: list[float] = []
    for start in range(0, len(cells), max_batch):
        batch = await asyncio.to_thread(_covered, item, cover, cells[start : start + max_batch])
        scores += [log_odds(float(score)) for score in await backend.infer(call, batch)]
    return (whole - np.array(scores)).reshape(len(rows), len(columns))


def _before(spec: InputSpec) -> _Cell:
    """The dimensions before those of the grid: time, of clips."""
    clip = isinstance(spec, FaceClip | FrameClip | EyeClip | ChromaHistogram)
    return (slice(None),) if clip else ()


def _cells(spec: InputSpec, item: NDArray[np.generic]) -> tuple[list[slice], list[slice]]:
    if isinstance(spec, Waveform):
        # A sound has one dimension: the row is all of it, and _covered sees a view with a row.
        return [slice(0, 1)], _parts(item.shape[0], _STRETCHES)
    side = min(_SIDE, int((_MOST_BYTES / item.nbytes) ** 0.5))
    if side < _LEAST_SIDE:
        raise TooLarge(f"its items of {item.nbytes / 1e6:.0f} MB are too large to cover in parts")
    height, width = item.shape[len(_before(spec)) :][:2]
    return _parts(height, side), _parts(width, side)


def _parts(length: int, parts: int) -> list[slice]:
    edges = np.linspace(0, length, min(parts, length) + 1).round().astype(int)
    return [slice(int(start), int(end)) for start, end in pairwise(edges)]


def _cover(spec: InputSpec, item: NDArray[np.generic]) -> NDArray[np.generic]:
    if isinstance(spec, Waveform | ChromaHistogram):
        return np.zeros_like(item)
    axes = 1 if isinstance(spec, SoundSpec) else (-3, -2)
    mean = item.astype(np.float64).mean(axis=axes, keepdims=True)
    return np.broadcast_to(mean.round().astype(item.dtype) if item.dtype == np.uint8 else mean, item.shape).astype(
        item.dtype
    )


def _covered(item: NDArray[np.generic], cover: NDArray[np.generic], cells: Sequence[_Cell]) -> NDArray[np.generic]:
    copies = np.repeat(item[None], len(cells), axis=0)
    seen, cover = (copies[:, None], cover[None]) if item.ndim == 1 else (copies, cover)
    for copy, cell in zip(seen, cells, strict=True):
        copy[cell] = cover[cell]
    return copies
