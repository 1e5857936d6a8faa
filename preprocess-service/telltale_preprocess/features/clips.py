"""Which samples of a face track make a clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from telltale_contracts import ClipSpec, FaceClip, FrameClip


def clip_places(count: int, spec: ClipSpec) -> list[list[int]]:
    """For each clip of a track of ``count`` samples, the places of its T samples in the track."""
    if count == 0:
        return []
    if count < spec.frames:
        return _fill(count, spec)
    if isinstance(spec, FaceClip | FrameClip) and spec.spacing == "even":
        return [np.linspace(0, count - 1, spec.frames).round().astype(int).tolist()]
    stride = spec.stride or spec.frames
    return [list(range(start, start + spec.frames)) for start in range(0, count - spec.frames + 1, stride)]


def stretches(frames: Sequence[int], at_least: int) -> list[int]:
    """The places in ``frames`` (increasing) that lie in a run of at least so many successive numbers."""
    kept: list[int] = []
    start = 0
    for end in range(1, len(frames) + 1):
        if end == len(frames) or frames[end] != frames[end - 1] + 1:
            if end - start >= at_least:
                kept.extend(range(start, end))
            start = end
    return kept


def _fill(count: int, spec: ClipSpec) -> list[list[int]]:
    match spec.short:
        case "hold":
            return [[min(place, count - 1) for place in range(spec.frames)]]
        case "loop":
            return [[place % count for place in range(spec.frames)]]
        case "drop":
            return []
