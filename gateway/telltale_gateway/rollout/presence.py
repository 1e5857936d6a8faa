"""What the gateways over one repository tell each other: which versions each routes to, and which it may still use; and
the one that acts, which versions its servers are to keep.

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

from pydantic import TypeAdapter

from telltale_gateway.rollout.store import STATE_FOLDER

_log = logging.getLogger(__name__)

GONE_AFTER_S = 10.0
_REMOVED_AFTER_S = 60.0


@dataclass(frozen=True)
class Present:
    """One gateway: for each detector, the version that answers there, those that a request may still use, and the
    canary and the shadow, where they get their share.

    ``heard`` counts the events of each detector's history that it has read: what it says follows no later one.
    ``stands`` are the versions that the servers of ``stack`` have and are to keep, said by the gateway that acts on
    them, and ``doubts`` those of which it does not know what the servers have, and why. None is what a gateway does not
    say.
    """

    gateway: str
    answers: Mapping[str, int]
    uses: Mapping[str, frozenset[int]]
    canaries: Mapping[str, int] | None = None
    shadows: Mapping[str, int] | None = None
    stack: str | None = None
    stands: Mapping[str, frozenset[int]] | None = None
    doubts: Mapping[str, Mapping[int, str]] | None = None
    heard: Mapping[str, int] | None = None


class Presence:
    """This gateway's file, and what the others' say. Its calls touch the disk; they belong in a thread."""

    def __init__(self, repository: Path, gateway: str) -> None:
        self.gateway = gateway
        self._folder = repository / STATE_FOLDER / "gateways"
        self._beat = 0
        self._seen: dict[str, tuple[str, float]] = {}
        self._others: tuple[Present, ...] = ()
        self._acting: dict[str | None, Present] = {}
        self._form = TypeAdapter(Present)
        self._damaged: set[str] = set()

    @property
    def others(self) -> tuple[Present, ...]:
        """The other gateways, as last read."""
        return self._others

    def tell(self, own: Present) -> None:
        """Write this gateway's file, so that a reader sees all of it or the one before.

        Raises:
            OSError: the folder cannot be written to.
        """
        self._beat += 1
        document = {"beat": self._beat, "answers": dict(own.answers), "uses": _listed(own.uses)}
        document |= {"canaries": own.canaries, "shadows": own.shadows, "stack": own.stack}
        document |= {"heard": own.heard}
        if own.stands is not None:
            document |= {"stands": _listed(own.stands), "doubts": own.doubts}
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self.gateway}.json"
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(document), encoding="utf-8")
        fresh.replace(path)

    def listen(self) -> None:
        """Read the others' files, each by itself: one that cannot be read is left out.

        Raises:
            OSError: the folder cannot be read.
        """
        found: list[tuple[float, Present]] = []
        now = time.monotonic()
        for path in sorted(self._folder.glob("*.json")):
            if path.stem == self.gateway:
                continue
            try:
                text = path.read_text(encoding="utf-8")
                present = self._read(path.stem, text)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                self._leave_out(path, error)
                continue
            self._damaged.discard(path.name)
            known = self._seen.get(path.stem)
            if known is None or known[0] != text:
                known = self._seen[path.stem] = (text, now)
            silent = now - known[1]
            if silent < GONE_AFTER_S:
                found.append((silent, present))
            elif silent > _REMOVED_AFTER_S:
                path.unlink(missing_ok=True)
                del self._seen[path.stem]
        self._others = tuple(present for _, present in found)
        # Where one took over from another, the one that was heard last acts.
        longest_silent_first = sorted(found, key=lambda heard: -heard[0])
        self._acting = {present.stack: present for _, present in longest_silent_first if present.stands is not None}

    def _read(self, gateway: str, text: str) -> Present:
        """Raises:
        ValueError: it is not what a gateway says of itself.
        """
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
        return self._form.validate_python({**document, "gateway": gateway})

    def _leave_out(self, path: Path, error: Exception) -> None:
        if path.name not in self._damaged:
            self._damaged.add(path.name)
            _log.warning("%s cannot be read, so that gateway is not heard: %s", path, error)

    def uses(self, detector: str) -> frozenset[int]:
        """The versions of a detector that any other gateway answers with or may still use."""
        found: set[int] = set()
        for other in self._others:
            found |= other.uses.get(detector, frozenset())
            if detector in other.answers:
                found.add(other.answers[detector])
        return frozenset(found)

    def stands(self, stack: str, detector: str) -> frozenset[int] | None:
        """The versions of a detector that the servers of a stack have and are to keep; None where nobody says so."""
        acting = self._acting.get(stack)
        return acting.stands.get(detector) if acting is not None and acting.stands is not None else None

    def doubts(self, stack: str, detector: str) -> Mapping[int, str]:
        """The versions of a detector of which it is not known what the servers of a stack have, and why."""
        acting = self._acting.get(stack)
        return (acting.doubts or {}).get(detector, {}) if acting is not None else {}

    def keeps(self, detector: str) -> frozenset[int]:
        """The versions of a detector that the servers of any stack have and are to keep, as far as others say."""
        return frozenset().union(*((acting.stands or {}).get(detector, ()) for acting in self._acting.values()))

    def leave(self) -> None:
        """Remove this gateway's file: it uses nothing any more."""
        try:
            (self._folder / f"{self.gateway}.json").unlink(missing_ok=True)
        except OSError as error:
            _log.warning("the sign of this gateway's presence stays for a while: %s", error)


def _listed(versions: Mapping[str, frozenset[int]]) -> dict[str, list[int]]:
    return {name: sorted(each) for name, each in versions.items()}
