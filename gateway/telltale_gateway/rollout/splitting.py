"""Who gets which request: shares that are exact in counts."""

from __future__ import annotations


class Splitter:
    """Gives a share of successive requests to somebody: of any n of them n x percent / 100, to within one.

    The k-th request is one of the share exactly when floor(k p) > floor((k - 1) p), so the share is spread evenly
    (Bresenham's line) and nothing is random.
    """

    def __init__(self) -> None:
        self._owed: dict[tuple[str, str, int], float] = {}

    def takes(self, detector: str, part: str, version: int, percent: float) -> bool:
        """Whether the next request of a detector goes to a version's share."""
        key = (detector, part, version)
        # Kept below one, and a change of the percentage goes on from where the count stands.
        owed = self._owed.get(key, 0.0) + percent / 100.0
        taken = owed >= 1.0 - 1e-9
        self._owed[key] = owed - 1.0 if taken else owed
        return taken
