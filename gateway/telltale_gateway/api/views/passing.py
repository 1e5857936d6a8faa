"""Bytes that are passed on as they come, to readers who take them."""

from __future__ import annotations

import asyncio
import logging

from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from telltale_gateway.analysis.preprocess import Rendered
from telltale_gateway.artifacts import Kept

_PIECE = 1 << 16
_log = logging.getLogger(__name__)


class _Stalled(Exception):
    """The reader has taken nothing for too long."""


class Passed(StreamingResponse):
    """What they come from is let go of at the end, when nobody listens any more, and when the reader stands still.

    A drawing has a process of its own, of which there are few: whoever took none of it for ``reader_s`` seconds would
    keep it from all others.
    """

    def __init__(self, source: Rendered | Kept, headers: dict[str, str], *, reader_s: float) -> None:
        super().__init__(source.chunks(), media_type=source.media_type, headers=headers)
        self._source = source
        self._reader_s = reader_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_soon(message: Message) -> None:
            for piece in _pieces(message):
                try:
                    async with asyncio.timeout(self._reader_s):
                        await send(piece)
                except TimeoutError as error:
                    raise _Stalled from error

        try:
            await super().__call__(scope, receive, send_soon)
        except* _Stalled:
            # The connection is closed without an end, as it must be for the reader to know that something is missing.
            _log.warning("a reader took nothing for %g s and was cut off", self._reader_s)
        finally:
            if isinstance(self._source, Rendered):
                await self._source.close()
            else:
                self._source.close()


def _pieces(message: Message) -> list[Message]:
    """A message in parts so small that a slow reader takes one in time."""
    body = message.get("body", b"")
    if message["type"] != "http.response.body" or len(body) <= _PIECE:
        return [message]
    more = message.get("more_body", False)
    return [
        {**message, "body": body[place : place + _PIECE], "more_body": more or place + _PIECE < len(body)}
        for place in range(0, len(body), _PIECE)
    ]
