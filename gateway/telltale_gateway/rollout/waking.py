"""Whether what a gateway knows still holds: not once it stood still for so long that the others took it for gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress

from telltale_gateway.rollout.presence import GONE_AFTER_S

# A server that hangs is not waited for: who asks it then hears so.
_AT_MOST_S = 5.0


class Waking:
    """Notices that its process was stopped, or had no time, and lets nobody go on before every server was looked at.

    While a gateway is silent the others unload what only it uses.
    """

    def __init__(self, servers: Iterable[str], silent_s: float = GONE_AFTER_S) -> None:
        self._silent_s = silent_s
        self._heard_at = self._woke_at = time.monotonic()
        self._looked = dict.fromkeys(servers, self._woke_at)
        self._caught_up = asyncio.Event()
        self._caught_up.set()

    def round_begins(self) -> float:
        """The time, by which ``looked`` is told how old a look is."""
        return self._notice()

    def is_heard(self) -> None:
        """The others are told of this gateway from now on."""
        # It may have stood still since the round began.
        self._heard_at = self._notice()

    def slept_since(self, began: float) -> bool:
        """Whether the gateway stood still after a round that began then, so that what it found may not hold."""
        self._notice()
        return began < self._woke_at

    def looked(self, server: str, began: float) -> None:
        """A server was looked at, in a round that began then."""
        self._looked[server] = began
        if all(at >= self._woke_at for at in self._looked.values()):
            self._caught_up.set()

    async def wait(self) -> None:
        """Return at once, unless the gateway has stood still: then when it knows again what there is, or in vain."""
        self._notice()
        if not self._caught_up.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_AT_MOST_S):
                    await self._caught_up.wait()

    def _notice(self) -> float:
        now = time.monotonic()
        if now - self._heard_at > self._silent_s:
            self._heard_at = self._woke_at = now
            self._caught_up.clear()
        return now
