"""The upload, as the analysis sees it: bytes that can be read from the start, and what they were called."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass, field
from typing import BinaryIO

_CHUNK = 1 << 20


@dataclass(frozen=True)
class MediaSource:
    """One upload, in a file. ``filename`` is what its sender called it, told back and never used to open anything."""

    stream: BinaryIO = field(repr=False)
    filename: str | None
    upload_ms: float = 0.0

    async def sha256(self) -> str:
        """The digest of the whole upload, in hex; who reads the stream meanwhile does not notice."""
        # A descriptor of its own: the thread may go on after whoever waits for it has given up and closed the file.
        return await asyncio.to_thread(_digest, os.dup(self.stream.fileno()))


def _digest(descriptor: int) -> str:
    digest, place = hashlib.sha256(), 0
    try:
        while chunk := os.pread(descriptor, _CHUNK, place):
            place += len(chunk)
            digest.update(chunk)
    finally:
        os.close(descriptor)
    return digest.hexdigest()
