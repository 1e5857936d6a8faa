"""Which versions the requests of this gateway still use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from telltale_gateway.rollout.fleet import Deployed


class Usage:
    """Counts requests by the versions that each may ask from its start to its end."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int]] = Counter()

    @contextmanager
    def of(self, detectors: Iterable[Deployed]) -> Iterator[None]:
        """While the context lasts, the versions of these detectors are in use."""
        keys = [(deployed.name, version) for deployed in detectors for version in deployed.versions]
        self._counts.update(keys)
        try:
            yield
        finally:
            self._counts.subtract(keys)
            self._counts += Counter()

    def versions(self, detector: str) -> frozenset[int]:
        """The versions of a detector that are in use now."""
        return frozenset(version for name, version in self._counts if name == detector)

    def all(self) -> dict[str, frozenset[int]]:
        """The versions in use of every detector."""
        return {name: self.versions(name) for name, _ in self._counts}
