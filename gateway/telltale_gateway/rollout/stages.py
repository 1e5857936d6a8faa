"""Where each version of a detector stands, in the words that operators use."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Literal

from pydantic import BaseModel, Field

from telltale_gateway.rollout.catalog import CatalogEntry
from telltale_gateway.rollout.fleet import Deployed
from telltale_gateway.rollout.loading import why_held_up
from telltale_gateway.rollout.proving import Proof

Stage = Literal[
    "arriving",
    "staged",
    "loading",
    "warming",
    "golden",
    "candidate",
    "shadow",
    "canary",
    "live",
    "draining",
    "unloaded",
    "refused",
]


class VersionStatus(BaseModel):
    """One version: its stage, and why where it stands there against somebody's wish.

    arriving: its folder is not all there. staged: it is, and nothing was done with it yet. loading, warming, golden:
    on its way beside the live version. candidate: it has passed, and waits. shadow, canary: it gets ``percent`` of the
    traffic. live: it answers. draining: requests that began with it still use it. unloaded: it has no part. refused:
    it will not answer, for ``reason``.
    """

    version: int
    stage: Stage
    reason: str | None = None
    percent: float | None = None
    sha256: str | None = Field(default=None, description="digest of its artefact, where it was read")


def version_status(
    entry: CatalogEntry, version: int, deployed: Deployed | None, proof: Proof | None, used: AbstractSet[int]
) -> VersionStatus:
    """Where a version stands for one gateway; ``used`` are the versions that requests of any gateway still use."""
    release = entry.releases.get(version)
    sha256 = release.sha256 if release is not None else entry.history.digest(version)
    stage, reason, percent = _stage(entry, version, deployed, proof, used)
    return VersionStatus(version=version, stage=stage, reason=reason, percent=percent, sha256=sha256)


def _stage(
    entry: CatalogEntry, version: int, deployed: Deployed | None, proof: Proof | None, used: AbstractSet[int]
) -> tuple[Stage, str | None, float | None]:
    if deployed is not None and version in deployed.versions:
        return _in_traffic(deployed, version, _changed(entry, version))
    if version == entry.rollout.live and deployed is not None and deployed.refused is not None:
        return ("loading" if deployed.undecided else "refused"), deployed.refused, None
    if version in entry.rollout.served() and version in entry.releases:
        stage, reason, percent = _on_its_way(proof)
        return stage, (_held_up(entry, deployed) or reason) if stage == "loading" else reason, percent
    if version in used:
        return "draining", "requests that began with it still use it", None
    return *_at_rest(entry, version), None


def _changed(entry: CatalogEntry, version: int) -> str | None:
    """What to know of a version that answers, and whose files are no longer those that were loaded."""
    if version not in entry.unsound:
        return None
    alone = "; its server loads no other version until these files are put back"
    return (
        f"as it was loaded; what lies there now is refused: {entry.unsound[version]}"
        f"{alone if entry.manifest.server == 'triton' else ''}"
    )


def _held_up(entry: CatalogEntry, deployed: Deployed | None) -> str | None:
    """Why a version is not loaded, where its server would read anew what answers and was changed on disk."""
    there = deployed.versions if deployed is not None else frozenset()
    changed = {version: entry.unsound[version] for version in sorted(there & entry.unsound.keys())}
    return f"it {why_held_up(changed)}" if changed and entry.manifest.server == "triton" else None


def _at_rest(entry: CatalogEntry, version: int) -> tuple[Stage, str | None]:
    if version in entry.arriving:
        return "arriving", entry.arriving[version]
    if version in entry.unsound:
        return "refused", entry.unsound[version]
    last, refusal = entry.history.last(version), entry.history.refusal(version)
    mended = version in entry.releases and last is not None and last.sha256 is None
    if refusal is not None and not mended:
        return "refused", refusal
    return ("staged" if last is None else "unloaded"), None


def _in_traffic(deployed: Deployed, version: int, changed: str | None) -> tuple[Stage, str | None, float | None]:
    if version == deployed.version:
        return "live", deployed.readiness.reason or changed, None
    if deployed.canary is not None and deployed.canary.version == version:
        return "canary", None, deployed.canary.percent
    return "shadow", None, deployed.shadow.percent if deployed.shadow is not None else None


def _on_its_way(proof: Proof | None) -> tuple[Stage, str | None, float | None]:
    if proof is None:
        return "loading", None, None
    if proof.passed:
        return "candidate", None, None
    return ("refused" if proof.final else proof.step), proof.reason, None
