"""Stop without losing a request that was on its way: what has connected is answered, what has not is refused at once.

A proxy tries another replica when a connection is refused, but cannot when one that it already uses breaks: the body of
an upload is not kept. So whoever was let in before the door closed must be served.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import uvicorn

# A client sends its request as soon as it has connected, which on a busy machine may take it a while.
_ARRIVAL_S = 0.5
_LATE_S = 10.0


class DrainingServer(uvicorn.Server):
    """uvicorn, which closes connections that are queued or have sent nothing yet, without doing so."""

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
        await self._wait_for_requests()
        await super().shutdown(sockets)

    async def _wait_for_requests(self) -> None:
        """Until every connection has sent one, or is late."""
        await asyncio.sleep(_ARRIVAL_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LATE_S):
                while any(connection.cycle is None for connection in self.server_state.connections):
                    await asyncio.sleep(_ARRIVAL_S)

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
