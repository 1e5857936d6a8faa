"""Inputs that nobody took from anybody: what a converted graph is compared on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import ChromaHistogram, InputSpec, Waveform

from telltale_export.packaging import item_shape, item_type

GOLDEN_SOURCE = (
    "made with numpy: pictures of smooth colour, sounds of a gliding tone, histograms of few colours; every "
    "second item is noise"
)
_GRIDS = (2, 5, 11)


def probes(spec: InputSpec, count: int, seed: int) -> NDArray[np.generic]:
    """Items [count, ...] as preprocessing would send them for a spec; equal seeds give equal items.

    Items are by turns something smooth, as a face or a voice is, and noise of the whole range.
    """
    random = np.random.default_rng(seed)
    shape = item_shape(spec)
    return np.stack([_item(spec, shape, random, smooth=index % 2 == 0) for index in range(count)])


def _item(spec: InputSpec, shape: tuple[int, ...], random: np.random.Generator, *, smooth: bool) -> NDArray[np.generic]:
    if item_type(spec) == "uint8":
        return _picture(shape, random) if smooth else random.integers(0, 256, shape, dtype=np.uint8)
    if isinstance(spec, Waveform):
        return _glide(spec, random) if smooth else _hiss(shape, random)
    if isinstance(spec, ChromaHistogram):
        return _histogram(shape, random, kept=0.02 if smooth else 1.0)
    level = _field(shape, random) * 4.0 if smooth else random.normal(0.0, 4.0, shape)
    return np.asarray(level, dtype=np.float32)


def _picture(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.uint8]:
    """[..., H, W, 3], the frames of a clip alike but for a little noise."""
    height, width, channels = shape[-3:]
    planes = np.stack([_field((height, width), random) for _ in range(channels)], axis=-1)
    noisy = 128.0 + 48.0 * planes + random.normal(0.0, 3.0, shape)
    return noisy.clip(0, 255).astype(np.uint8)


def _field(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise over two axes, about one in deviation: bilinear between the points of grids coarse and fine."""
    height, width = shape
    total: NDArray[np.float64] = np.zeros(shape)
    for cells in _GRIDS:
        grid = random.normal(0.0, 1.0, (cells + 1, cells + 1))
        across = np.stack([np.interp(np.linspace(0, cells, width), np.arange(cells + 1), row) for row in grid])
        total += np.stack(
            [np.interp(np.linspace(0, cells, height), np.arange(cells + 1), line) for line in across.T], 1
        )
    return np.asarray(total / len(_GRIDS) ** 0.5)


def _glide(spec: Waveform, random: np.random.Generator) -> NDArray[np.float32]:
    time = np.arange(spec.samples) / spec.sample_rate
    phase = 2 * np.pi * (random.uniform(80.0, 300.0) * time + random.uniform(50.0, 900.0) * time**2)
    return np.asarray(random.uniform(0.05, 0.4) * np.sin(phase), dtype=np.float32)


def _hiss(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    # From nearly silent to loud: a network is sure of loud noise, and where it is sure, parity says little.
    level = 10.0 ** random.uniform(-3.0, -0.5)
    return random.normal(0.0, level, shape).clip(-1.0, 1.0).astype(np.float32)


def _histogram(shape: tuple[int, ...], random: np.random.Generator, *, kept: float) -> NDArray[np.float32]:
    """Each histogram of the clip from 0 to 255, most of its bins empty when ``kept`` is small."""
    counts = random.random(shape) * (random.random(shape[1:]) < kept)
    flat = counts.reshape(shape[0], -1)
    flat[:, 0] = 0.0
    flat[:, -1] += flat.max(axis=1) + 1.0
    return np.asarray(flat / flat.max(axis=1, keepdims=True) * 255.0, dtype=np.float32).reshape(shape)
