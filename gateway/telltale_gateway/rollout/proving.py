"""Whether a version that a server has loaded may answer: its tensors, a warm-up, and its golden scores.

Every server behind a backend is asked by itself, so that no replica is trusted on another's word.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from telltale_contracts import DetectorManifest

from telltale_gateway.rollout.releases import Release
from telltale_gateway.rollout.signature import WrongSignature, check_signature
from telltale_gateway.serving import (
    Backend,
    BackendBusy,
    BackendDied,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
    ModelCall,
    infer_in_batches,
)

_log = logging.getLogger(__name__)

# A busy server may let a probe wait; it takes this many in a row to call a proven version down.
_PATIENCE = 3
# How often a version is loaded afresh after what ran it died, before the version itself is taken to have killed it.
_LIVES = 3

Step = Literal["loading", "warming", "golden"]
Revive = Callable[[Backend], Awaitable[None]]
Renew = Callable[[str], None]


class GoldenMismatch(Exception):
    """The server answers, but not with the scores that the version's card gives."""


class NotLoaded(Exception):
    """A server that can be reached does not have the version, or not yet."""


@dataclass(frozen=True)
class Proof:
    """How far a version came when it was last looked at.

    ``passed``: it gave its golden scores through every server that can be reached. ``step`` is where it stands until
    then. ``final``: it failed for a reason of its own, which waiting does not mend. ``reread``: its server has read it
    again since, so that it has to give all of its golden scores once more.
    """

    passed: bool
    step: Step = "loading"
    reason: str | None = None
    final: bool = False
    at: float = field(default_factory=time.monotonic)
    misses: int = 0
    reread: bool = False

    @property
    def age_s(self) -> float:
        """Seconds since it was looked at."""
        return time.monotonic() - self.at


class Prover:
    """Looks at loaded versions, and remembers how far each came."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._proofs: dict[tuple[str, str, int], Proof] = {}
        self._reads: dict[tuple[str, int], int] = {}
        self._deaths: dict[tuple[str, str, int], int] = {}

    def proof(self, manifest: DetectorManifest, release: Release) -> Proof | None:
        """What is known of a version under this manifest."""
        return self._proofs.get(_key(manifest, release))

    def doubt(self, manifest: DetectorManifest, release: Release) -> None:
        """A version failed a request: what is known of it is too old to be trusted."""
        known = self.proof(manifest, release)
        if known is not None:
            self._note(manifest, release, replace(known, at=float("-inf")))

    def was_read(self, detector: str, version: int) -> None:
        """A server has read a version from disk: what it said before says nothing of what it has now."""
        self._reads[detector, version] = self._read(detector, version) + 1
        for key, known in self._proofs.items():
            if (key[0], key[2]) == (detector, version):
                self._proofs[key] = replace(known, reread=True)

    def forget_others(self, detector: str, versions: frozenset[int]) -> None:
        """Versions that have no part any more may be unloaded; should they come back they prove themselves again."""
        self._proofs = {key: p for key, p in self._proofs.items() if key[0] != detector or key[2] in versions}

    async def examine(
        self,
        backend: Backend,
        manifest: DetectorManifest,
        release: Release,
        revive: Revive | None,
        renew: Renew | None = None,
    ) -> Proof:
        """Look at a version now: all of it the first time, after a failure and once it was read again; else one golden
        item.

        ``revive`` loads afresh what a server says is loaded but does not answer; None where that is not to be done.
        ``renew``, for a version that does not answer anybody yet, has it taken out and loaded again, in its own time:
        it is told why. A server that has no room, or in which something died, is no fault of the version's.
        """
        before = self.proof(manifest, release)
        reads = self._read(manifest.name, release.card.version)
        proof = await self._looked_at(backend, manifest, release, revive, renew, before=before)
        if proof.passed:
            self._deaths.pop(_key(manifest, release), None)
        if self._read(manifest.name, release.card.version) != reads:
            # It was asked before as well as after it was read: what it said stands until it was asked once more.
            proof = replace(proof, reread=True, final=False)
        self._note(manifest, release, proof)
        return proof

    async def _looked_at(
        self,
        backend: Backend,
        manifest: DetectorManifest,
        release: Release,
        revive: Revive | None,
        renew: Renew | None,
        *,
        before: Proof | None,
    ) -> Proof:
        if before is not None and before.passed:
            again = await self._again(backend, manifest, release, before)
            if again is not None:
                return again
        # Once a version answers, one replica that was started again and has nothing yet does not take it away.
        known = before is not None and before.passed
        return await self._first(backend, manifest, release, revive, renew, known=known)

    async def _again(
        self, backend: Backend, manifest: DetectorManifest, release: Release, before: Proof
    ) -> Proof | None:
        """One golden item, or all where it was read again; None where it must be looked at as if for the first time."""
        try:
            items = None if before.reread else 1
            await self._each(backend, lambda member: self._golden(member, manifest, release, items))
        except BackendTimeout as error:
            misses = before.misses + 1
            if misses < _PATIENCE:
                return replace(before, misses=misses, at=time.monotonic())
            return Proof(passed=False, reason=str(error), misses=misses)
        except (BackendError, GoldenMismatch):
            return None
        return Proof(passed=True)

    async def _first(
        self,
        backend: Backend,
        manifest: DetectorManifest,
        release: Release,
        revive: Revive | None,
        renew: Renew | None,
        *,
        known: bool,
    ) -> Proof:
        def step(reached: Step) -> None:
            if not known:
                self._note(manifest, release, Proof(passed=False, step=reached))

        async def all_steps(member: Backend) -> None:
            await self._all_steps(member, manifest, release, revive, step)

        try:
            await self._each(backend, all_steps, *([NotLoaded] if known else []))
        except (NotLoaded, BackendUnavailable, BackendTimeout, BackendBusy) as error:
            return Proof(passed=False, reason=str(error))
        except BackendDied as error:
            # One that answers was loaded afresh already.
            final = revive is not None or (renew is not None and self._has_died(_key(manifest, release)))
            if renew is not None and not final:
                renew(f"it is loaded afresh: {error}")
            return Proof(passed=False, reason=str(error), final=final)
        except (BackendRefused, WrongSignature, GoldenMismatch) as error:
            reached = self._proofs.get(_key(manifest, release))
            return Proof(passed=False, step=reached.step if reached else "loading", reason=str(error), final=True)
        return Proof(passed=True)

    def _has_died(self, key: tuple[str, str, int]) -> bool:
        """Count a death; whether it was one too many to be no fault of the version's."""
        self._deaths[key] = self._deaths.get(key, 0) + 1
        if self._deaths[key] <= _LIVES:
            return False
        del self._deaths[key]
        return True

    async def _all_steps(
        self,
        member: Backend,
        manifest: DetectorManifest,
        release: Release,
        revive: Revive | None,
        step: Callable[[Step], None],
    ) -> None:
        name, version = manifest.name, release.card.version
        if not await member.ready(name, version):
            raise NotLoaded(f"version {version} is not loaded")
        try:
            check_signature(await member.describe(self._call(manifest, release)), manifest)
            step("warming")
            await self._warm_or_revived(member, manifest, release, revive)
            step("golden")
            await self._golden(member, manifest, release)
        except BackendRefused as error:
            # A server that was started again meanwhile refuses what it does not have: no fault of the version's.
            if not await member.ready(name, version):
                raise NotLoaded(f"version {version} is not loaded any more") from error
            raise

    async def _warm_or_revived(
        self, member: Backend, manifest: DetectorManifest, release: Release, revive: Revive | None
    ) -> None:
        try:
            await self._warm(member, manifest, release)
        except BackendRefused as error:
            if revive is None or not await member.ready(manifest.name, release.card.version):
                raise
            name, version = manifest.name, release.card.version
            _log.warning("%s %d is loaded but does not answer, loading it afresh: %s", name, version, error)
            await revive(member)
            await self._warm(member, manifest, release)

    async def _each(
        self, backend: Backend, ask: Callable[[Backend], Awaitable[None]], *passed_over: type[Exception]
    ) -> None:
        """Ask every server that can be reached; one that cannot is passed over as long as there is another."""
        skipped: tuple[type[Exception], ...] = (BackendUnavailable, *passed_over)
        away: Exception | None = None
        reached = False
        for member in backend.members():
            try:
                await ask(member)
                reached = True
            except skipped as error:
                away = error
        if away is not None and not reached:
            raise away

    async def _warm(self, backend: Backend, manifest: DetectorManifest, release: Release) -> None:
        """One item, thrown away: what a graph does the first time is done before anybody waits for it."""
        await backend.infer(self._call(manifest, release), release.golden[:1])

    async def _golden(
        self, backend: Backend, manifest: DetectorManifest, release: Release, items: int | None = None
    ) -> None:
        """Compare the first ``items`` golden scores, or all."""
        golden = release.card.golden
        call = self._call(manifest, release)
        scores = await infer_in_batches(backend, call, release.golden[:items], manifest.max_batch)
        difference = float(np.max(np.abs(scores - np.asarray(golden.scores[:items], dtype=np.float32))))
        if difference > golden.tolerance:
            raise GoldenMismatch(
                f"a golden score differs from the card's by {difference:.4f}, {golden.tolerance:g} is allowed"
            )

    def _read(self, detector: str, version: int) -> int:
        """How often a server has read a version since this gateway runs."""
        return self._reads.get((detector, version), 0)

    def _call(self, manifest: DetectorManifest, release: Release) -> ModelCall:
        return ModelCall(manifest.name, release.card.version, manifest.tensors, self._timeout_s)

    def _note(self, manifest: DetectorManifest, release: Release, proof: Proof) -> None:
        self._proofs[_key(manifest, release)] = proof


def _key(manifest: DetectorManifest, release: Release) -> tuple[str, str, int]:
    # Under another manifest (other tensor names, another server) a version has to prove itself again.
    return manifest.name, f"{release.sha256}/{hash(manifest)}", release.card.version
