"""The detectors that are to answer now, and whether each can."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from telltale_contracts import DetectorManifest, VersionCard

from telltale_gateway.rollout.releases import Release
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

    def within(self, stale_after_s: float) -> bool:
        """Whether it can answer, by an inference that is no older than these seconds."""
        return self.ready and self.age_s <= stale_after_s


@dataclass(frozen=True)
class Share:
    """A version that has proven itself and gets ``percent`` of the requests beside the live one."""

    release: Release
    percent: float

    @property
    def version(self) -> int:
        """Its number."""
        return self.release.card.version


@dataclass(frozen=True)
class Deployed:
    """One detector with the version that answers for it; no release or backend where there is none to be had.

    ``refused``: why the version that rollout.yaml wants does not answer in place of this one; ``undecided``: nothing is
    known against it, and it may answer yet. The canary answers its
    share of requests in place of this version; the shadow is only compared with it.
    """

    manifest: DetectorManifest
    version: int
    release: Release | None
    backend: Backend | None
    readiness: Readiness
    refused: str | None = None
    undecided: bool = False
    canary: Share | None = None
    shadow: Share | None = None

    @property
    def name(self) -> str:
        """The detector's name."""
        return self.manifest.name

    @property
    def card(self) -> VersionCard | None:
        """The card of the version that answers."""
        return self.release.card if self.release else None

    @property
    def versions(self) -> frozenset[int]:
        """The versions that a request may be answered by or compared with."""
        return frozenset({self.version} | {share.version for share in (self.canary, self.shadow) if share is not None})

    def as_version(self, release: Release) -> Deployed:
        """The same detector, answered by one version and no other."""
        return replace(self, version=release.card.version, release=release, canary=None, shadow=None)


@dataclass(frozen=True)
class Fleet:
    """A snapshot: one request sees one fleet from its start to its end.

    ``expected`` names every detector of the repository, also those of which nothing is known yet; None before the
    repository was first read. ``unreadable`` says of those that cannot be read what is wrong with them; ``troubles``
    what a fault of our own or of the folder has ended, which keeps nobody from answering.
    """

    detectors: Mapping[str, Deployed] = field(default_factory=dict)
    servers: Mapping[str, bool] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    troubles: Mapping[str, str] = field(default_factory=dict)
    expected: frozenset[str] | None = None

    @property
    def problems(self) -> dict[str, str]:
        """All that is wrong, by what it is wrong with."""
        found = dict(self.unreadable)
        for subject, trouble in self.troubles.items():
            found[subject] = f"{found[subject]} {trouble}" if subject in found else trouble
        return found

    @property
    def ready(self) -> bool:
        """Whether every detector that is to answer can."""
        return (
            bool(self.detectors)
            and self.expected == frozenset(self.detectors)
            and not self.unreadable
            and all(detector.readiness.ready for detector in self.detectors.values())
        )
