"""The upload, as the analysis sees it: bytes that can be read from the start, and what they were called."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from telltale_contracts import MediaFacts, MediaKind

from telltale_gateway.analysis.headstart import HeadStart
from telltale_gateway.errors import WrongKind
from telltale_gateway.spooling import Snapshot, Spool


@dataclass(frozen=True)
class MediaSource:
    """One upload. ``filename`` is what its sender called it, told back and never used to open anything.

    ``head_start``: preprocessing has most of it already.
    """

    stream: Spool = field(repr=False)
    filename: str | None
    upload_ms: float = 0.0
    head_start: HeadStart | None = field(default=None, repr=False)

    async def sha256(self) -> str:
        """The digest of the whole upload, in hex; who reads the stream meanwhile does not notice."""
        if self.head_start is not None:
            # Until then it would take the processor from what is waited for.
            await self.head_start.all_sent()
        # The thread may go on after whoever waits for it has given up and closed the spool, so it has what is its own.
        # Shielded, as it closes what it is given: cancelled while it waits for a thread, it would never come to that.
        return await asyncio.shield(asyncio.to_thread(_digest, self.stream.snapshot()))


@dataclass(frozen=True)
class OnlyKind:
    """The kind of media that is asked about; ``instead`` says of each kind what its sender could do."""

    kind: MediaKind
    instead: Mapping[MediaKind, str]

    def require(self, media: MediaFacts) -> None:
        """See that media is of that kind.

        Raises:
            WrongKind: it is not.
        """
        if media.kind != self.kind:
            raise WrongKind(f"The upload is of the kind {media.kind}, not {self.kind}.", self.instead[media.kind])


def _digest(content: Snapshot) -> str:
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return digest.hexdigest()
