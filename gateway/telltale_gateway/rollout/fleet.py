"""The detectors that are to answer now, and whether each can."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from telltale_contracts import DetectorManifest, VersionCard

from telltale_gateway.serving import Backend


@dataclass(frozen=True)
class Readiness:
    """What the last real inference showed; ``reason`` says why a detector is not ready."""

    ready: bool
    reason: str | None
    checked_at: float = field(default_factory=time.monotonic)

    @property
    def age_s(self) -> float:
        """Seconds since the inference."""
        return time.monotonic() - self.checked_at


@dataclass(frozen=True)
class Deployed:
    """One detector with the version that answers for it; no card or backend where there is none to be had."""

    manifest: DetectorManifest
    version: int
    card: VersionCard | None
    backend: Backend | None
    readiness: Readiness

    @property
    def name(self) -> str:
        """The detector's name."""
        return self.manifest.name


@dataclass(frozen=True)
class Fleet:
    """A snapshot: one request sees one fleet from its start to its end."""

    detectors: Mapping[str, Deployed] = field(default_factory=dict)
    servers: Mapping[str, bool] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False

    @property
    def ready(self) -> bool:
        """Whether every detector that is to answer can."""
        return (
            self.complete
            and bool(self.detectors)
            and not self.unreadable
            and all(detector.readiness.ready for detector in self.detectors.values())
        )
