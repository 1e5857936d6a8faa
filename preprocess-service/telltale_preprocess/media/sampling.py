"""Which moments of a video are looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Sampling

from telltale_preprocess.media.timeline import Timeline

LONG_STRETCH = 30
"""Frames from which on it is cheaper to seek than to decode what lies between: a seek costs the decoder's state."""


def target_frames(timeline: Timeline, sampling: Sampling) -> NDArray[np.int64]:
    """Indices of the frames wanted, increasing, at most ``sampling.max_frames``.

    With ``fps`` they are at 0, 1/fps, 2/fps, ...; where that would be more than ``max_frames``, and without ``fps``,
    they are the middles of ``max_frames`` equal stretches, so that the whole clip is covered, not its beginning. Where
    the stretches are long and a key frame lies in the middle half of one, it is taken: it is decoded alone.
    """
    if sampling.fps is None and len(timeline.times) <= sampling.max_frames:
        return np.arange(len(timeline.times), dtype=np.int64)
    last = float(timeline.times[-1])
    count = min(sampling.max_frames, len(timeline.times))
    if sampling.fps is not None and int(last * sampling.fps) + 1 <= sampling.max_frames:
        moments: NDArray[np.floating[Any]] = np.arange(int(last * sampling.fps) + 1) / sampling.fps
    else:
        moments = (np.arange(count) + 0.5) * (last / count)
        stretch = len(timeline.times) / count
        if stretch >= LONG_STRETCH:
            middles = [timeline.nearest(moment) for moment in moments]
            return np.unique([_near_key(timeline, middle, stretch / 4) for middle in middles])
    return np.unique([timeline.nearest(moment) for moment in moments])


def _near_key(timeline: Timeline, index: int, reach: float) -> int:
    place = int(np.searchsorted(timeline.keys, index))
    around = timeline.keys[max(0, place - 1) : place + 1].tolist()
    near = min(around, key=lambda key: abs(key - index), default=index)
    return near if abs(near - index) <= reach else index
