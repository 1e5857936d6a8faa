"""The upload, as the analysis sees it: bytes that can be read from the start, and what they were called."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import BinaryIO

_CHUNK = 1 << 20


@dataclass(frozen=True)
class MediaSource:
    """One upload. ``filename`` is what its sender called it, told back and never used to open anything."""

    stream: BinaryIO = field(repr=False)
    filename: str | None
    upload_ms: float = 0.0

    async def sha256(self) -> str:
        """The digest of the whole upload, in hex."""
        return await asyncio.to_thread(self._digest)

    def _digest(self) -> str:
        self.stream.seek(0)
        digest = hashlib.sha256()
        while chunk := self.stream.read(_CHUNK):
            digest.update(chunk)
        self.stream.seek(0)
        return digest.hexdigest()
