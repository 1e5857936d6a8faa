"""history.jsonl as it was written: what became of each version, and which bytes a number once stood for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from telltale_contracts import RolloutEvent

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
        return next((e.sha256 for e in self.events if e.version == version and e.sha256 is not None), None)

    def refusal(self, version: int) -> str | None:
        """Why a version was refused or taken out, where that is the last that was done to it."""
        event = self.last(version)
        return event.why if event is not None and event.action in {"refuse", "abort"} else None


def read_history(path: Path) -> History:
    """The events of a file; none where there is no file. A last line that is still being written is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not an event.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return History()
    lines = text[: text.rfind("\n") + 1].splitlines()
    return History(tuple(RolloutEvent.model_validate_json(line) for line in lines if line.strip()))
