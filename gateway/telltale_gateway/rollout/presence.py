"""What the gateways over one repository tell each other: which version each routes to, and which it may still use.

Each writes one small file; the others notice that it changes. No clocks are compared: a gateway is gone when its file
has not changed for a while by the reader's own clock.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from telltale_gateway.rollout.store import STATE_FOLDER

_log = logging.getLogger(__name__)

_GONE_AFTER_S = 10.0
_REMOVED_AFTER_S = 60.0


@dataclass(frozen=True)
class Present:
    """One gateway: for each detector, the version that answers there and those that a request may still use."""

    gateway: str
    answers: Mapping[str, int]
    uses: Mapping[str, frozenset[int]]


class Presence:
    """This gateway's file, and what the others' say. Its calls touch the disk; they belong in a thread."""

    def __init__(self, repository: Path, gateway: str) -> None:
        self.gateway = gateway
        self._folder = repository / STATE_FOLDER / "gateways"
        self._beat = 0
        self._seen: dict[str, tuple[str, float]] = {}
        self._others: tuple[Present, ...] = ()

    @property
    def others(self) -> tuple[Present, ...]:
        """The other gateways, as last read."""
        return self._others

    def tell(self, answers: Mapping[str, int], uses: Mapping[str, frozenset[int]]) -> None:
        """Write this gateway's file, so that a reader sees all of it or the one before.

        Raises:
            OSError: the folder cannot be written to.
        """
        self._beat += 1
        document = {"beat": self._beat, "answers": dict(answers), "uses": {n: sorted(vs) for n, vs in uses.items()}}
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self.gateway}.json"
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(document), encoding="utf-8")
        fresh.replace(path)

    def listen(self) -> None:
        """Read the others' files.

        Raises:
            OSError: the folder cannot be read.
        """
        found = []
        now = time.monotonic()
        for path in sorted(self._folder.glob("*.json")):
            if path.stem == self.gateway:
                continue
            try:
                text = path.read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            known = self._seen.get(path.stem)
            if known is None or known[0] != text:
                known = self._seen[path.stem] = (text, now)
            silent = now - known[1]
            if silent < _GONE_AFTER_S:
                found.append(_read(path.stem, text))
            elif silent > _REMOVED_AFTER_S:
                path.unlink(missing_ok=True)
                del self._seen[path.stem]
        self._others = tuple(found)

    def uses(self, detector: str) -> frozenset[int]:
        """The versions of a detector that any other gateway answers with or may still use."""
        found: set[int] = set()
        for other in self._others:
            found |= other.uses.get(detector, frozenset())
            if detector in other.answers:
                found.add(other.answers[detector])
        return frozenset(found)

    def leave(self) -> None:
        """Remove this gateway's file: it uses nothing any more."""
        try:
            (self._folder / f"{self.gateway}.json").unlink(missing_ok=True)
        except OSError as error:
            _log.warning("the sign of this gateway's presence stays for a while: %s", error)


def _read(gateway: str, text: str) -> Present:
    document = json.loads(text)
    uses = {name: frozenset(versions) for name, versions in document["uses"].items()}
    return Present(gateway, document["answers"], uses)
