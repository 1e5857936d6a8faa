"""Files that an answer refers to: kept for a while under names that nobody guesses, and never under a name on disk."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass

_CHUNK = 1 << 18
_NAME_BYTES = 24
_SWEEPS_S = 1.0


@dataclass(frozen=True)
class _Kept:
    descriptor: int
    media_type: str
    size: int
    until: float


class Kept:
    """One file, open for one reader, whatever becomes of its name meanwhile."""

    def __init__(self, descriptor: int, media_type: str, size: int) -> None:
        self._descriptor = descriptor
        self.media_type = media_type
        self.size = size

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes."""
        place = 0
        while chunk := await asyncio.to_thread(os.pread, self._descriptor, _CHUNK, place):
            place += len(chunk)
            yield chunk

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


class Artifacts:
    """Unlinked temporary files by random names; the oldest give way where there are too many, or too large ones.

    Since none has a name on disk, nothing is left of them however the process ends.
    """

    def __init__(self, *, keep_s: float, most_files: int, most_bytes: int) -> None:
        self._keep_s = keep_s
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def keep(self, body: bytes, media_type: str, ending: str) -> str:
        """Keep a file; the name under which it can be had, 192 random bits and the ending."""
        self._forget_old()
        with tempfile.TemporaryFile(prefix="telltale-") as file:
            file.write(body)
            file.flush()
            descriptor = os.dup(file.fileno())
        name = f"{secrets.token_urlsafe(_NAME_BYTES)}.{ending}"
        self._kept[name] = _Kept(descriptor, media_type, len(body), time.monotonic() + self._keep_s)
        while len(self._kept) > self._most_files or sum(each.size for each in self._kept.values()) > self._most_bytes:
            self._forget(next(iter(self._kept)))
        return name

    def open(self, name: str) -> Kept | None:
        """A kept file, which its reader closes; None where there is none of that name, or no longer."""
        self._forget_old()
        kept = self._kept.get(name)
        return Kept(os.dup(kept.descriptor), kept.media_type, kept.size) if kept is not None else None

    async def run(self) -> None:
        """Forget what is too old, until cancelled."""
        while True:
            await asyncio.sleep(min(_SWEEPS_S, self._keep_s))
            self._forget_old()

    def close(self) -> None:
        """Forget everything."""
        for name in list(self._kept):
            self._forget(name)

    def _forget_old(self) -> None:
        now = time.monotonic()
        for name in [name for name, kept in self._kept.items() if kept.until <= now]:
            self._forget(name)

    def _forget(self, name: str) -> None:
        os.close(self._kept.pop(name).descriptor)
