"""An upload that is sent on to preprocessing while it still arrives.

To receive megabytes and then to send them on takes twice as long as to do both at once. Preprocessing begins with
nothing before its form ends, and the end is not sent before somebody asks for what comes of it: of an upload that is
refused on the way nothing was asked.

Its length is said beforehand, though nobody knows it yet: a body in chunks would be copied once more. It is a little
more than that of the form in which the file comes, and what is left over is sent as the form's epilogue, which readers
of forms pass over (RFC 2046, 5.1.1).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

from telltale_gateway.spooling import Spool

# Of less each piece costs more than what is in it.
_PIECE = 1 << 19
# For the field that says what is wanted, which preprocessing takes up to 64 kB of.
_ROOM = 1 << 16
# More is left over only where the form around the file is larger than any that is sent in good faith.
_MOST_LEFT_OVER = 1 << 20


class Framing:
    """What stands around the file in a form: before it that it comes, and after it what is wanted of it."""

    def __init__(self) -> None:
        boundary = secrets.token_hex(16)
        self._part = f"--{boundary}\r\nContent-Disposition: form-data; name="
        self._end = f"\r\n--{boundary}--\r\n"
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.head = f'{self._part}"media"; filename="upload"\r\n\r\n'.encode()

    def tail(self, field: str, text: str) -> bytes:
        """A field and the end of the form."""
        return f'\r\n{self._part}"{field}"\r\n\r\n{text}{self._end}'.encode()


Pieces = AsyncIterator[bytes | memoryview]
"""A body as it comes."""
Post = Callable[[Framing, Pieces, int], Awaitable[aiohttp.ClientResponse]]
"""Sends a form of that length as it comes, and returns with the head of its answer."""


class HeadStart:
    """A form to preprocessing, of which the file has begun. Whoever began it closes it before the file."""

    def __init__(self, media: Spool, post: Post, *, most: int, patience_s: float) -> None:
        """``media``: the file that is being written, of ``most`` bytes or fewer in the end. It is given up when it is
        not whole after ``patience_s`` seconds: preprocessing keeps a connection and a file for it, which others shall
        not lack because a sender is slow.
        """
        self._media = media
        self._form = Framing()
        self._sent = 0
        self._more = asyncio.Event()
        self._tail: bytes | None = None
        self._given_up = False
        self._all_sent = asyncio.Event()
        self._until = asyncio.get_running_loop().time() + patience_s
        self._length = len(self._form.head) + most + _ROOM
        self._answer = asyncio.ensure_future(post(self._form, self._pieces(), self._length))
        self._answer.add_done_callback(lambda _: self._all_sent.set())

    @property
    def under_way(self) -> bool:
        """Whether it is neither answered nor broken off."""
        return not self._answer.done()

    def advance(self) -> None:
        """Take notice that more of the file is there."""
        if self._media.size - self._sent >= _PIECE:
            self._more.set()

    async def catch_up(self) -> None:
        """Send what there is, however little, before anything else is done: the file is whole."""
        self._more.set()
        await asyncio.sleep(0)

    async def finish(self, field: str, text: str) -> aiohttp.ClientResponse | None:
        """Send the rest of the file, which is whole now, and a field; what is answered.

        None where it broke off, was given up or refused before, or what was said of its length is not so, or far from
        it: then this was not asked, or what was answered may no longer hold, and the file is to be sent anew.

        Raises:
            aiohttp.ClientError, TimeoutError: it breaks now.
        """
        if self._tail is not None or self._answer.done():
            return None
        tail = self._form.tail(field, text)
        epilogue = self._length - len(self._form.head) - self._media.size - len(tail)
        if not 0 <= epilogue <= _MOST_LEFT_OVER:
            return None
        self._tail = tail + b" " * epilogue
        self._more.set()
        try:
            return await self._answer
        except TimeoutError:
            if self._given_up:
                return None
            raise

    async def all_sent(self) -> None:
        """Wait until there is nothing more to send, whether all was sent or it broke off."""
        await self._all_sent.wait()

    async def close(self) -> None:
        """Send no more; of what was not finished nothing is asked."""
        self._answer.cancel()
        await asyncio.wait([self._answer])
        if not self._answer.cancelled() and self._answer.exception() is None:
            self._answer.result().close()

    async def _pieces(self) -> Pieces:
        yield self._form.head
        while True:
            # Before it is seen how much there is, so that whatever comes meanwhile ends the wait below.
            self._more.clear()
            tail = self._tail
            while piece := self._media.read_at(self._sent):
                self._sent += len(piece)
                yield piece
            if tail is not None:
                yield tail
                self._all_sent.set()
                return
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout_at(self._until):
                await self._more.wait()
        except TimeoutError:
            self._given_up = True
            raise
