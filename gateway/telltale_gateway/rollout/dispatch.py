"""One detector's part of one request: which version answers it, and what happens when that one cannot."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import VersionCard

from telltale_gateway.rollout.fleet import Deployed
from telltale_gateway.rollout.mirror import Mirror, Mirrored, ShadowLog
from telltale_gateway.rollout.splitting import Splitter
from telltale_gateway.rollout.watch import CanaryWatch, Watches
from telltale_gateway.serving import BackendError, BackendUnavailable, ModelCall, infer_in_batches

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answered:
    """Raw scores, float32 [N], all from the version of ``deployed``; ``instead_of`` is one that was asked before it."""

    deployed: Deployed
    scores: NDArray[np.float32]
    instead_of: int | None = None


class DispatchFailed(Exception):
    """No version answered; ``deployed`` is the one that was asked last."""

    def __init__(self, deployed: Deployed, error: BackendError) -> None:
        super().__init__(str(error))
        self.deployed = deployed


async def _always() -> None:
    """What is known always holds."""


class Dispatcher:
    """Sends a detector's items to one version of it, watches the canary, and feeds the shadow.

    ``current`` gives a detector as it is now, where a request began with an older snapshot; ``awake`` returns once that
    can be relied on.
    """

    def __init__(
        self,
        current: Callable[[str], Deployed | None],
        mirror: Mirror,
        watches: Watches,
        awake: Callable[[], Awaitable[None]] = _always,
    ) -> None:
        self._current = current
        self._awake = awake
        self._mirror = mirror
        self._watches = watches
        self._splitter = Splitter()
        self.shadows = ShadowLog()

    async def ask(
        self,
        deployed: Deployed,
        items: NDArray[np.generic],
        timeout_s: float,
        applies: Callable[[VersionCard], bool] = lambda _: True,
    ) -> Answered:
        """Score the items [N, ...] by one version: the canary where it is its turn and it ``applies``, else the live.

        Which one is decided here and now: a canary that was taken out since the request began is not asked. A version
        that cannot answer is replaced once: a canary by the live one, one that has been drained meanwhile by the one
        that took over.

        Raises:
            DispatchFailed: neither could.
        """
        await self._awake()
        deployed = self._as_now(deployed)
        chosen = self._chosen(deployed, applies)
        watch = self._watches.of(deployed)
        started = time.perf_counter()
        try:
            answered = await self._scored(chosen, items, timeout_s)
        except BackendError as error:
            other = self._instead(deployed, chosen)
            if other is None:
                raise DispatchFailed(chosen, error) from error
            _log.warning("%s %d is asked instead of %d: %s", other.name, other.version, chosen.version, error)
            try:
                second = await self._scored(other, items, timeout_s)
            except BackendError as again:
                raise DispatchFailed(other, again) from again
            # A server that was away for a moment is nothing that the canary did.
            if watch is not None and chosen.version == watch.canary.card.version and _is_its_own(error):
                watch.failed()
            return Answered(other, second.scores, instead_of=chosen.version)
        seconds = time.perf_counter() - started
        if watch is not None:
            watch.answered(chosen.version, seconds)
        if chosen.version == deployed.version:
            self._watches.live_answered(deployed, seconds)
        self._mirror_it(deployed, answered, items, timeout_s, watch)
        return answered

    def _as_now(self, deployed: Deployed) -> Deployed:
        """A snapshot less the canary where that is not beside this live version any more."""
        canary, now = deployed.canary, self._current(deployed.name)
        if canary is None or (
            now is not None
            and now.version == deployed.version
            and now.canary is not None
            and (now.canary.version, now.canary.release.sha256) == (canary.version, canary.release.sha256)
        ):
            return deployed
        return replace(deployed, canary=None)

    def _chosen(self, deployed: Deployed, applies: Callable[[VersionCard], bool]) -> Deployed:
        canary = deployed.canary
        if (
            canary is not None
            and applies(canary.release.card)
            and self._splitter.takes(deployed.name, "canary", canary.version, canary.percent)
        ):
            return deployed.as_version(canary.release)
        return deployed

    def _instead(self, deployed: Deployed, chosen: Deployed) -> Deployed | None:
        now = self._current(deployed.name) or deployed
        other = now if chosen.version == deployed.version else deployed
        if other.version == chosen.version or other.release is None or not other.readiness.ready:
            other = now
        same = other.version == chosen.version
        return None if same or other.release is None or not other.readiness.ready else other

    async def _scored(self, deployed: Deployed, items: NDArray[np.generic], timeout_s: float) -> Answered:
        if deployed.backend is None:
            raise BackendUnavailable(f"no {deployed.manifest.server} server is configured")
        call = ModelCall(deployed.name, deployed.version, deployed.manifest.tensors, timeout_s)
        return Answered(deployed, await infer_in_batches(deployed.backend, call, items, deployed.manifest.max_batch))

    def _mirror_it(
        self,
        deployed: Deployed,
        answered: Answered,
        items: NDArray[np.generic],
        timeout_s: float,
        watch: CanaryWatch | None,
    ) -> None:
        """Ask the live version what a canary was asked, and the shadow its share of what the live version was."""
        if watch is not None and answered.deployed.version == watch.canary.card.version:
            live = deployed.as_version(watch.live)
            self._mirror.offer(
                Mirrored(live, items, timeout_s, lambda key, scores: watch.comparison.add(key, scores, answered.scores))
            )
            return
        shadow = deployed.shadow
        if shadow is None or not self._splitter.takes(deployed.name, "shadow", shadow.version, shadow.percent):
            return
        other = deployed.as_version(shadow.release)
        comparison = self.shadows.between(answered.deployed, other)
        if comparison is not None:
            self._mirror.offer(
                Mirrored(other, items, timeout_s, lambda key, scores: comparison.add(key, answered.scores, scores))
            )


def _is_its_own(error: BackendError) -> bool:
    return not isinstance(error, BackendUnavailable)
