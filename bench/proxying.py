"""A TCP proxy over two gateways, as a load balancer in front of them would be."""

from __future__ import annotations

import asyncio
import itertools


class Proxy:
    """Passes each connection to the next gateway that is in rotation; one that cannot be reached is passed over."""

    def __init__(self, ports: list[int]) -> None:
        self.rotation = list(ports)
        self._turn = itertools.count()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen on a free port; the address."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await self._connect()
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ports = list(self.rotation)
        first = next(self._turn) % len(ports)
        for port in [*ports[first:], *ports[:first]]:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
        raise ConnectionRefusedError("no gateway can be reached")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
