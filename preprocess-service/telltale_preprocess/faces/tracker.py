"""Link the faces of successive sampled frames so that one person is one track."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from telltale_preprocess.faces.detector import Face
from telltale_preprocess.faces.scenes import histogram_distance

# Sampled frames lie up to seconds apart, so boxes of one person need not overlap: the distance between centres counts,
# in face sizes, and the change of size. A wrong split keeps a forged person forged; a wrong join hides her.
_MAX_DISTANCE = 1.2
_MAX_GROWTH = 2.0
_MAX_GAP_FRAMES = 5
# A person who is not seen is expected where she was heading, but not for long.
_FORESIGHT_FRAMES = 2
# Between sampled frames the colours of one face stayed within 0.36 in 24 recordings; of different people nine in ten
# are 0.47 apart. Alike faces may have gone further; unlike ones are refused by looks alone at 0.5.
_ALIKE = 0.35
_ALIKE_STRETCH = 0.6
_LOOKS_WEIGHT = _MAX_DISTANCE / 0.15

Looks = NDArray[np.float64]


@dataclass
class _Live:
    track: int
    face: Face
    looks: Looks | None
    frame: int
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    def expected(self, frame: int) -> NDArray[np.float64]:
        """Where the centre of the face should be in a frame."""
        return np.asarray(self.face.centre) + self.velocity * min(frame - self.frame, _FORESIGHT_FRAMES)

    def see(self, face: Face, looks: Looks | None, frame: int) -> None:
        """The face was found again."""
        self.velocity = np.subtract(face.centre, self.face.centre) / (frame - self.frame)
        self.face, self.looks, self.frame = face, looks, frame


class FaceTracker:
    """Give each face of each frame the number of its track; frames come in order.

    Faces are linked within a shot only. A shot that is cut back to goes on where it was left: there, the frames between
    do not count.
    """

    def __init__(self) -> None:
        self._live: dict[int, list[_Live]] = defaultdict(list)
        self._away: dict[int, int] = defaultdict(int)
        self._left_at: dict[int, int] = {}
        self._shot = 0
        self._count = 0

    def link(self, frame: int, faces: Sequence[Face], looks: Sequence[Looks] | None = None, shot: int = 0) -> list[int]:
        """Track numbers of the faces of sampled frame ``frame``, in their order.

        ``looks`` holds the colours of each face (``quality.looks``), where they are to count.
        """
        self._enter(shot, frame)
        now = frame - self._away[shot]
        live = [each for each in self._live[shot] if now - each.frame <= _MAX_GAP_FRAMES]
        seen = list(looks) if looks is not None else [None] * len(faces)
        tracks = [-1] * len(faces)
        if live and faces:
            costs = np.array(
                [[_cost(each, face, look, now) for face, look in zip(faces, seen, strict=True)] for each in live]
            )
            for row, column in zip(*linear_sum_assignment(costs), strict=True):
                if costs[row, column] < _MAX_DISTANCE:
                    live[row].see(faces[column], seen[column], now)
                    tracks[column] = live[row].track
        for column, face in enumerate(faces):
            if tracks[column] < 0:
                tracks[column] = self._count
                live.append(_Live(self._count, face, seen[column], now))
                self._count += 1
        self._live[shot] = live
        return tracks

    def _enter(self, shot: int, frame: int) -> None:
        if shot != self._shot:
            self._left_at[self._shot] = frame
            if shot in self._left_at:
                self._away[shot] += frame - self._left_at[shot]
            self._shot = shot


def _cost(before: _Live, face: Face, looks: Looks | None, frame: int) -> float:
    size = (before.face.side + face.side) / 2
    growth = max(before.face.side, face.side) / max(1.0, min(before.face.side, face.side))
    if growth > _MAX_GROWTH:
        return 2 * _MAX_DISTANCE
    distance = float(np.hypot(*(before.expected(frame) - face.centre))) / size
    cost = 0.5 * (growth - 1.0)
    if looks is None or before.looks is None:
        return min(cost + distance, 2 * _MAX_DISTANCE)
    unlike = histogram_distance(before.looks, looks) - _ALIKE
    cost += _ALIKE_STRETCH * distance if unlike < 0 else distance + _LOOKS_WEIGHT * unlike
    return min(cost, 2 * _MAX_DISTANCE)
