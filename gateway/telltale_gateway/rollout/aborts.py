"""Canaries that this gateway has taken out: none of them gets a request from the moment that this is decided."""

from __future__ import annotations

from dataclasses import dataclass, replace

from telltale_gateway.rollout.catalog import CatalogEntry
from telltale_gateway.rollout.releases import Release


@dataclass(frozen=True)
class Abort:
    """A canary that is taken out, and why; ``seen`` counts the readings of the repository that may still name it as
    canary, None until the abort is written down."""

    detector: str
    release: Release
    why: str
    seen: int | None = None

    @property
    def version(self) -> int:
        """The canary's number."""
        return self.release.card.version


class Aborts:
    """The last abort of each detector.

    rollout.yaml names the canary until the abort is written there, and what was read of it before goes on being worked
    with for a while. None of that brings the canary back; an order that is given afterwards does.
    """

    def __init__(self) -> None:
        self._last: dict[str, Abort] = {}

    def decide(self, detector: str, release: Release, why: str) -> None:
        """A canary gets nothing from now on."""
        self._last[detector] = Abort(detector, release, why)

    def unwritten(self) -> list[Abort]:
        """Those that are not in rollout.yaml yet."""
        return [abort for abort in self._last.values() if abort.seen is None]

    def written(self, abort: Abort, readings: int) -> None:
        """An abort is written down, when the repository has been read so many times."""
        self._last[abort.detector] = replace(abort, seen=readings)

    def bars(self, entry: CatalogEntry, version: int) -> bool:
        """Whether a version that an entry names as canary has been taken out since that was read."""
        abort = self._last.get(entry.manifest.name)
        return abort is not None and abort.version == version and (abort.seen is None or entry.reading <= abort.seen)
