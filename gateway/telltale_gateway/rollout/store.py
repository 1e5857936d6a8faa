"""The desired state on disk: rollout.yaml changed by one rename under a lock, and a line of history for each change."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from telltale_contracts import Action, DetectorManifest, Rollout, RolloutEvent

from telltale_gateway.rollout.catalog import ROLLOUT_FILE, read_rollout
from telltale_gateway.rollout.history import HISTORY_FILE, read_history
from telltale_gateway.rollout.releases import Release

STATE_FOLDER = ".telltale"


class RolloutStore:
    """Changes what is wanted of a detector. Every gateway over the same folder may; they take turns by a lock file.

    Its calls block, for as long as another gateway's change takes; they belong in a thread.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._locks = repository / STATE_FOLDER / "locks"

    def read(self, detector: str, before: Rollout | None = None) -> Rollout:
        """The state as it is now; of a new detector, that nothing is live yet. ``before`` is what it last was.

        Raises:
            OSError: it cannot be read.
            ValueError, yaml.YAMLError: it is not a state, or is missing where there was one.
        """
        folder = self._repository / detector
        return read_rollout(folder, read_history(folder / HISTORY_FILE), before)

    def change(self, detector: str, edit: Callable[[Rollout], Rollout], event: RolloutEvent) -> Rollout:
        """Have ``edit`` change the state as it is now, and write down who did it; the state afterwards.

        What ``edit`` raises leaves everything as it was.

        Raises:
            OSError: the folder cannot be written to.
            ValueError, yaml.YAMLError: the state cannot be read.
        """
        folder = self._repository / detector
        with self._locked(detector):
            before = self.read(detector)
            after = edit(before)
            if after != before and not (folder / ROLLOUT_FILE).exists():
                # A line about a detector without a state would say that the state was lost.
                _replace(folder / ROLLOUT_FILE, before.to_yaml())
            # The line comes first: a change that nobody wrote down would be worse than a line too many.
            with _appended(folder / HISTORY_FILE, event.to_line()):
                if after != before:
                    _replace(folder / ROLLOUT_FILE, after.to_yaml())
        return after

    @contextmanager
    def _locked(self, detector: str) -> Iterator[None]:
        self._locks.mkdir(parents=True, exist_ok=True)
        with (self._locks / f"{detector}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def event(
    action: Action,
    version: int | None,
    *,
    who: str,
    why: str,
    percent: float | None = None,
    release: Release | None = None,
) -> RolloutEvent:
    """What is done now, for the history; with the ``release``'s digests, by which its number is bound to it."""
    return RolloutEvent(
        at=datetime.now(UTC).replace(microsecond=0),
        who=who,
        action=action,
        version=version,
        why=why,
        percent=percent,
        sha256=release.sha256 if release is not None else None,
        card_sha256=release.card_sha256 if release is not None else None,
    )


def revised(rollout: Rollout, **changes: Any) -> Rollout:
    """A state with some of its fields changed, checked as a whole.

    Raises:
        pydantic.ValidationError: the changes contradict each other.
    """
    return Rollout.model_validate({**rollout.model_dump(), **changes})


def follows(manifest: DetectorManifest, rollout: Rollout) -> bool:
    """Whether a new version is to go live by itself."""
    return manifest.policy == "auto" and not rollout.pinned


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


@contextmanager
def _appended(path: Path, line: str) -> Iterator[None]:
    """A line at the end of a file, on a line of its own whatever lies before it; taken off again where what follows
    fails.

    Raises:
        OSError: it could not be written whole; the file is as it was.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        whole = (b"\n" if torn else b"") + line.encode()
        try:
            # One write: whoever reads meanwhile sees the whole line or none of it.
            written = os.write(descriptor, whole)
            if written != len(whole):
                raise OSError(errno.ENOSPC, f"only {written} of {len(whole)} bytes could be written", str(path))
            os.fsync(descriptor)
            yield
        except BaseException:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
