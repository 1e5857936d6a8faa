"""The desired state on disk: rollout.yaml changed by one rename under a lock, and a line of history for each change."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from telltale_contracts import Action, Rollout, RolloutEvent

from telltale_gateway.rollout.catalog import ROLLOUT_FILE
from telltale_gateway.rollout.history import HISTORY_FILE

STATE_FOLDER = ".telltale"


class RolloutStore:
    """Changes what is wanted of a detector. Every gateway over the same folder may; they take turns by a lock file.

    Its calls block, for as long as another gateway's change takes; they belong in a thread.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._locks = repository / STATE_FOLDER / "locks"

    def change(self, detector: str, edit: Callable[[Rollout], Rollout], event: RolloutEvent) -> Rollout:
        """Have ``edit`` change the state as it is now, and write down who did it; the state afterwards.

        What ``edit`` raises leaves everything as it was.

        Raises:
            OSError: the folder cannot be written to.
        """
        folder = self._repository / detector
        with self._locked(detector):
            path = folder / ROLLOUT_FILE
            before = Rollout.from_yaml(path) if path.exists() else Rollout()
            after = edit(before)
            if after != before:
                _replace(path, after.to_yaml())
            _append(folder / HISTORY_FILE, event.to_line())
        return after

    @contextmanager
    def _locked(self, detector: str) -> Iterator[None]:
        self._locks.mkdir(parents=True, exist_ok=True)
        with (self._locks / f"{detector}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def event(
    action: Action, version: int | None, *, who: str, why: str, percent: float | None = None, sha256: str | None = None
) -> RolloutEvent:
    """What is done now, for the history."""
    now = datetime.now(UTC).replace(microsecond=0)
    return RolloutEvent(at=now, who=who, action=action, version=version, why=why, percent=percent, sha256=sha256)


def revised(rollout: Rollout, **changes: Any) -> Rollout:
    """A state with some of its fields changed, checked as a whole.

    Raises:
        pydantic.ValidationError: the changes contradict each other.
    """
    return Rollout.model_validate({**rollout.model_dump(), **changes})


def without(rollout: Rollout, version: int) -> Rollout:
    """A state in which a version that is not live has no part any more."""
    return revised(
        rollout,
        canary=None if rollout.canary and rollout.canary.version == version else rollout.canary,
        shadow=None if rollout.shadow and rollout.shadow.version == version else rollout.shadow,
        candidates=tuple(v for v in rollout.candidates if v != version),
        next=None if rollout.next == version else rollout.next,
    )


def made_live(rollout: Rollout, version: int) -> Rollout:
    """A state in which a version answers everything, and the one that did is the one to come back to."""
    if rollout.live == version:
        return without_candidate(rollout, version)
    return revised(without(rollout, version), live=version, previous=rollout.live)


def without_candidate(rollout: Rollout, version: int) -> Rollout:
    """A state in which a version is no candidate any more, whatever else it is."""
    kept = tuple(v for v in rollout.candidates if v != version)
    return revised(rollout, candidates=kept, next=None if rollout.next == version else rollout.next)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def _append(path: Path, line: str) -> None:
    # One write: whoever reads meanwhile sees the whole line or none of it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
