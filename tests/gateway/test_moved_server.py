"""A server that comes back at another address is found there, though its name was looked up just before."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import PurePath
from typing import cast

import grpc.aio
import pytest
from telltale_gateway.serving import BackendRefused, BackendUnavailable, TensorFlowServing
from telltale_gateway.serving.triton_control import GrpcControl

pytestmark = pytest.mark.anyio

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
# Well below the half minute for which gRPC asks no name server again, unless it is told to.
FOUND_WITHIN_S = 15.0
Reached = Callable[[], Awaitable[bool]]


class NameServer(asyncio.DatagramProtocol):
    """Knows one address for every name (RFC 1035, 4.1): A records that nobody is to keep."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12) + 5
        question, (kind,) = data[12:end], struct.unpack("!H", data[end - 4 : end - 2])
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + bytes(map(int, self.address.split(".")))
        answers = [record] if kind == 1 else []
        header = data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(answers), 0, 0)
        assert self._transport is not None
        self._transport.sendto(header + question + b"".join(answers), addr)


@asynccontextmanager
async def _names(address: str) -> AsyncIterator[tuple[NameServer, int]]:
    loop = asyncio.get_running_loop()
    transport, names = await loop.create_datagram_endpoint(lambda: NameServer(address), local_addr=("127.0.0.1", 0))
    try:
        yield names, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def _serve(address: str, port: int = 0) -> tuple[grpc.aio.Server, int]:
    """A server that has no method: whoever reaches it is told so."""
    server = grpc.aio.server()
    port = server.add_insecure_port(f"{address}:{port}")
    await server.start()
    return server, port


@asynccontextmanager
async def _tensorflow_serving(target: str) -> AsyncIterator[Reached]:
    backend = TensorFlowServing(target, model_root=PurePath("/models"), load_timeout_s=5.0, slots=1)
    yield backend.alive
    await backend.close()


@asynccontextmanager
async def _triton(target: str) -> AsyncIterator[Reached]:
    control = GrpcControl(target)

    async def reached() -> bool:
        try:
            await control.ready(timeout_s=5.0)
        except BackendRefused:
            return True
        except BackendUnavailable:
            return False
        raise AssertionError("a server without methods has answered")

    yield reached
    await control.close()


@pytest.mark.parametrize("client", [_tensorflow_serving, _triton])
async def test_it_is_found(client: Callable[[str], AbstractAsyncContextManager[Reached]]) -> None:
    first, port = await _serve(FIRST)
    async with _names(FIRST) as (names, dns), client(f"dns://127.0.0.1:{dns}/server.test:{port}") as reached:
        assert await reached()
        await first.stop(None)
        # Until the name server has heard of it, it still says the old address.
        assert not await reached()
        names.address = SECOND
        second, _ = await _serve(SECOND, port)
        try:
            async with asyncio.timeout(FOUND_WITHIN_S):
                while not await reached():  # noqa: ASYNC110 - nobody tells when
                    await asyncio.sleep(0.1)
        finally:
            await second.stop(None)
