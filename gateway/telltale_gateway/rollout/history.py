"""history.jsonl as it was written: what became of each version, and which bytes a number once stood for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from telltale_contracts import RolloutEvent

from telltale_gateway.rollout.releases import Fixed

_log = logging.getLogger(__name__)

HISTORY_FILE = "history.jsonl"


@dataclass(frozen=True)
class History:
    """The events of one detector, oldest first."""

    events: Sequence[RolloutEvent] = ()

    def last(self, version: int) -> RolloutEvent | None:
        """What was done to a version last; None of one that nobody has dealt with."""
        return next((event for event in reversed(self.events) if event.version == version), None)

    def digest(self, version: int) -> str | None:
        """The digest that a version's number stood for first, and so stands for ever."""
        return self.fixed(version).sha256

    def fixed(self, version: int) -> Fixed:
        """What a version's number stands for: the digests of artefact and card that were written down first."""
        return self._fixed.get(version, Fixed())

    @cached_property
    def _fixed(self) -> Mapping[int, Fixed]:
        found: dict[int, Fixed] = {}
        for event in self.events:
            if event.version is not None:
                first = found.get(event.version, Fixed())
                found[event.version] = Fixed(first.sha256 or event.sha256, first.card_sha256 or event.card_sha256)
        return found

    def refusal(self, version: int) -> str | None:
        """Why a version was refused or taken out, where that is the last that was done to it."""
        event = self.last(version)
        return event.why if event is not None and event.action in {"refuse", "abort"} else None


def read_history(path: Path) -> History:
    """The events of a file; none where there is no file. A last line that is still being written is left out, and one
    that cannot be read, as a write that was cut short leaves it, is passed over and reported.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return History()
    events = []
    for number, line in enumerate(text[: text.rfind("\n") + 1].split("\n"), start=1):
        if not line.strip():
            continue
        try:
            events.append(RolloutEvent.model_validate_json(line))
        except ValueError:
            _log.warning("%s: line %d cannot be read and is passed over", path, number)
    return History(tuple(events))
