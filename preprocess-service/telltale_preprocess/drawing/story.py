"""What was found, at any moment between those at which somebody looked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from telltale_contracts import FaceMark, Moment

# Farther from a look at it nobody knows where a face is: a box there would be made up.
_REACH_S = 0.75

Point = tuple[float, float]


class Story:
    """Moments in order of time."""

    def __init__(self, moments: Sequence[Moment]) -> None:
        self._moments = moments
        self._times = [moment.t for moment in moments]
        self.scored: tuple[Point, ...] = tuple((each.t, each.score) for each in moments if each.score is not None)

    def faces(self, t: float) -> list[FaceMark]:
        """The faces ``t`` seconds from the first frame.

        Those of the nearest moment, where it is at most 0.75 s away; one that the moment on the other side of ``t``
        knows too, and which is as near, has moved evenly from the one to the other.
        """
        place = bisect_right(self._times, t)
        before = self._moments[place - 1] if place else None
        after = self._moments[place] if place < len(self._moments) else None
        near = [each for each in (before, after) if each is not None and abs(each.t - t) <= _REACH_S]
        if not near:
            return []
        nearest = min(near, key=lambda each: abs(each.t - t))
        other = next((each for each in near if each is not nearest), nearest)
        there = {mark.track: mark for mark in other.faces}
        share = (t - nearest.t) / (other.t - nearest.t) if other.t != nearest.t else 0.0
        return [_between(mark, there.get(mark.track, mark), share) for mark in nearest.faces]

    def score(self, t: float) -> float | None:
        """The score of the last moment that had one; None before the first."""
        place = bisect_right(self.scored, (t, 2.0))
        return self.scored[place - 1][1] if place else None

    def until(self, t: float) -> tuple[Point, ...]:
        """Times and scores up to ``t``."""
        return self.scored[: bisect_right(self.scored, (t, 2.0))]


def _between(mark: FaceMark, other: FaceMark, share: float) -> FaceMark:
    x, y, width, height = (a + share * (b - a) for a, b in zip(mark.box, other.box, strict=True))
    return FaceMark(track=mark.track, box=(x, y, width, height), score=mark.score)
