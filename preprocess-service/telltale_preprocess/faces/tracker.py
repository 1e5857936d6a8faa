"""Link the faces of successive sampled frames so that one person is one track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from telltale_preprocess.faces.detector import Face

# Sampled frames lie up to seconds apart, so boxes of one person need not overlap: the distance between centres counts,
# in face sizes, and the change of size. A wrong split keeps a forged person forged; a wrong join hides her.
_MAX_DISTANCE = 1.2
_MAX_GROWTH = 2.0
_MAX_GAP_FRAMES = 5


@dataclass
class _Live:
    track: int
    face: Face
    frame: int


class FaceTracker:
    """Give each face of each frame the number of its track; frames come in order."""

    def __init__(self) -> None:
        self._live: list[_Live] = []
        self._count = 0

    def link(self, frame: int, faces: list[Face]) -> list[int]:
        """Track numbers of the faces of sampled frame ``frame``, in their order."""
        self._live = [live for live in self._live if frame - live.frame <= _MAX_GAP_FRAMES]
        tracks = [-1] * len(faces)
        if self._live and faces:
            costs = np.array([[_cost(live.face, face) for face in faces] for live in self._live])
            for row, column in zip(*linear_sum_assignment(costs), strict=True):
                if costs[row, column] < _MAX_DISTANCE:
                    live = self._live[row]
                    live.face, live.frame = faces[column], frame
                    tracks[column] = live.track
        for column, face in enumerate(faces):
            if tracks[column] < 0:
                tracks[column] = self._count
                self._live.append(_Live(self._count, face, frame))
                self._count += 1
        return tracks


def _cost(before: Face, now: Face) -> float:
    size = (before.side + now.side) / 2
    growth = max(before.side, now.side) / max(1.0, min(before.side, now.side))
    if growth > _MAX_GROWTH:
        return 2 * _MAX_DISTANCE
    distance = float(np.hypot(*(np.subtract(before.centre, now.centre)))) / size
    return min(distance + 0.5 * (growth - 1.0), 2 * _MAX_DISTANCE)
