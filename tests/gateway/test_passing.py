"""Readers who do not read: they are cut off, and what they were given is let go of."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from telltale_contracts import Spectrogram, Stretch
from telltale_gateway.analysis.preprocess import PreprocessClient
from telltale_gateway.api.views.analyze import _drawn
from telltale_gateway.api.views.detailed import Drawn
from telltale_gateway.api.views.passing import Passed
from telltale_gateway.artifacts import Artifacts
from telltale_gateway.services import Services
from telltale_gateway.spooling import Spool

from tests.client.canned import canned, problem

SIZE = 16_000_000


async def read_some(port: int, *, all_of_it: bool) -> int:
    """Ask for the file over a connection that takes in little; how much came."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(reader, ("127.0.0.1", port))
        await loop.sock_sendall(reader, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if not all_of_it:
            await asyncio.sleep(3.0)  # ten times what is allowed
        came = 0
        while piece := await loop.sock_recv(reader, 1 << 20):
            came += len(piece)
        return came


@pytest.mark.parametrize("reads", [True, False])
def test_a_reader_who_stands_still_is_cut_off_and_one_who_reads_is_not(reads: bool) -> None:
    async def ask() -> tuple[int, bool]:
        artifacts = Artifacts(keep_s=60.0, most_files=1, most_bytes=2 * SIZE)
        name = artifacts.keep(bytes(SIZE), "video/mp4", "mp4")
        kept = artifacts.open(name)
        assert kept is not None
        closed = asyncio.Event()
        original = kept.close
        kept.close = lambda: (original(), closed.set())[0]  # type: ignore[method-assign, func-returns-value]

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await Passed(kept, {"Content-Length": str(SIZE)}, reader_s=0.3)(scope, receive, send)

        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", http="h11", log_level="critical"))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            serving = asyncio.create_task(server.serve([listener]))
            came = await read_some(listener.getsockname()[1], all_of_it=reads)
            await asyncio.wait_for(closed.wait(), 10.0)
            server.should_exit = True
            await serving
        artifacts.close()
        return came, closed.is_set()

    came, closed = asyncio.run(ask())
    assert closed
    assert (came > SIZE) is reads


@pytest.mark.parametrize("answer", [(503, problem(503, "busy")), (500, "no problem either")])
def test_a_verdict_is_not_lost_with_its_picture(answer: tuple[int, object]) -> None:
    class OnlyDrawing:
        preprocess: PreprocessClient

    async def ask(url: str) -> Drawn:
        services = OnlyDrawing()
        services.preprocess = PreprocessClient(url, timeout_s=5.0)
        try:
            with Spool.of(b"") as nothing:
                drawing = Spectrogram(
                    stretches=(Stretch(start=0, end=2),), duration_s=2.0, sample_rate=16_000, threshold=0.5
                )
                return await _drawn(cast("Services", services), nothing, drawing, "id")
        finally:
            await services.preprocess.close()

    with canned(answer) as preprocessing:
        drawn = asyncio.run(ask(preprocessing.url))
        assert drawn.body is None
        (said,) = drawn.missing("film")
        assert said.startswith("The film could not be drawn: ")
        assert len(preprocessing.asked) == 1
