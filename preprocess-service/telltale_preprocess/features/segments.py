"""Cut a sound into segments of equal length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import SoundSpec


def segment_starts(total: int, spec: SoundSpec) -> NDArray[np.int64]:
    """First samples of the segments of a sound of ``total`` samples, increasing.

    A rest of at least half a step gets a last segment that ends with the sound. Of more than ``max_segments``, that
    many are kept, evenly spaced over the whole.
    """
    if total <= spec.samples:
        return np.zeros(1, dtype=np.int64)
    step = max(1, round(spec.samples * (1.0 - spec.overlap)))
    starts = np.arange(0, total - spec.samples + 1, step, dtype=np.int64)
    rest = total - spec.samples - int(starts[-1])
    if rest * 2 >= step:
        starts = np.append(starts, total - spec.samples)
    if len(starts) > spec.max_segments:
        starts = starts[np.linspace(0, len(starts) - 1, spec.max_segments).round().astype(np.int64)]
    return starts


def cut_segments(sound: NDArray[np.float32], starts: NDArray[np.int64], spec: SoundSpec) -> NDArray[np.float32]:
    """float32 [segments, samples]; a sound shorter than one is repeated or followed by zeros, as the spec says."""
    if len(sound) < spec.samples:
        filled = np.zeros(spec.samples, dtype=np.float32)
        if spec.pad == "repeat":
            filled = np.resize(sound, spec.samples)
        else:
            filled[: len(sound)] = sound
        return filled[np.newaxis]
    return np.stack([sound[start : start + spec.samples] for start in starts])
