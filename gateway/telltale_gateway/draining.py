"""Stop without losing a request that was on its way: what has connected is answered, what has not is refused at once.

A proxy tries another replica when a connection is refused, but cannot when one that it already uses breaks: the body of
an upload is not kept. So whoever was let in before the door closed must be served. And the closed door must stand for a
while, so that the proxy learns of it before the address is gone, where connecting hangs instead of being refused.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import socket
import struct
from contextlib import suppress

import uvicorn

# How long a handshake that has begun may take to end once no new one begins: a round trip.
_HANDSHAKE_S = 0.2
# A client sends its request as soon as it has connected, which on a busy machine may take it a while.
_LATE_S = 10.0
_POLL_S = 0.1
# Of asm-generic/socket.h; the module socket does not name it.
_SO_ATTACH_FILTER = 26

_log = logging.getLogger(__name__)


class DrainingServer(uvicorn.Server):
    """uvicorn, which closes connections that are queued or have sent nothing yet, without doing so.

    ``linger_s`` is how long connections are refused before the process can end.
    """

    def __init__(self, config: uvicorn.Config, linger_s: float = 0.5) -> None:
        super().__init__(config)
        self._linger_s = linger_s

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the door, take in who stands in it, give their requests time to arrive, then finish as usual."""
        # A copy of each listener, because closing the last one resets the connections that wait in its queue.
        listeners = [listener.dup() for server in self.servers for listener in server.sockets]
        for listener in listeners:
            overlook_newcomers(listener)
        await asyncio.sleep(_HANDSHAKE_S)
        for server in self.servers:
            server.close()
        waiting = [connection for listener in listeners for connection in _accepted(listener)]
        loop = asyncio.get_running_loop()
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection)
        await asyncio.sleep(self._linger_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LATE_S):
                while self._silent():  # noqa: ASYNC110 - uvicorn has nothing to wait on
                    await asyncio.sleep(_POLL_S)
        await super().shutdown(sockets)

    def _silent(self) -> bool:
        """Whether a connection has not sent its first request yet."""
        return any(getattr(connection, "cycle", connection) is None for connection in self.server_state.connections)

    def _protocol(self) -> asyncio.Protocol:
        make = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg]


def overlook_newcomers(listener: socket.socket) -> None:
    """Let a TCP listener overlook whoever wants to connect from now on, so that its queue can be emptied for good.

    Between the last accept and the close another connection would enter the queue, and be reset. The client's kernel
    asks again after a second (RFC 6298), when the listener is gone, and is refused.
    """
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    # Classic BPF over the TCP header (linux/filter.h): byte 13 holds the flags, 2 is SYN; drop those, keep the rest.
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in ((0x30, 0, 0, 13), (0x45, 0, 1, 2), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
    )
    held = ctypes.create_string_buffer(program, len(program))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 4, ctypes.addressof(held)))
    except OSError as error:
        _log.warning("whoever connects just as this gateway closes its door may be reset: no socket filter: %s", error)


def _accepted(listener: socket.socket) -> list[socket.socket]:
    """Whoever waits in a listener's queue; the listener is closed."""
    taken: list[socket.socket] = []
    with listener:
        listener.setblocking(False)
        while True:
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return taken
            connection.setblocking(False)
            taken.append(connection)
