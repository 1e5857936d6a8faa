"""Stop without losing a request that was on its way: what has connected is answered, what has not is refused at once.

A proxy tries another replica when a connection is refused, but cannot when one that it already uses breaks: the body of
an upload is not kept. So whoever was let in before the door closed must be served. And the closed door must stand for a
while, so that the proxy learns of it before the address is gone, where connecting hangs instead of being refused.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import uvicorn

# A client sends its request as soon as it has connected, which on a busy machine may take it a while.
_LATE_S = 10.0
_POLL_S = 0.1


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
