"""People who must stay together: whoever lends a face to another's video is in one group with them."""

from __future__ import annotations

from collections.abc import Iterable


class Identities:
    """Groups of identities, joined whenever one medium shows or uses two of them (union-find, Galler and Fischer)."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def join(self, names: Iterable[str]) -> None:
        """Put these into one group."""
        first, *others = [self._root(name) for name in names]
        for other in others:
            low, high = sorted((self._root(first), self._root(other)))
            self._above[high] = low

    def group(self, name: str) -> str:
        """The group's name: that of its first member in alphabetical order."""
        return self._root(name)

    def _root(self, name: str) -> str:
        self._above.setdefault(name, name)
        while self._above[name] != name:
            name = self._above[name]
        return name
