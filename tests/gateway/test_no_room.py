"""What is answered where an upload finds no room: the kernel refuses every write to /dev/full, which stands in."""

from __future__ import annotations

import asyncio
import errno
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import httpx
import pytest
from fastapi import FastAPI, Request
from telltale_asgi.requests import RequestContext
from telltale_gateway.analysis import PreprocessClient
from telltale_gateway.api.problems import install_gateway_problems
from telltale_gateway.api.uploads import Parts, received
from telltale_gateway.settings import Settings
from telltale_gateway.spooling import Spools

from tests.gateway.running import problem_of


def _full(*, prefix: str, **_: object) -> BinaryIO:
    assert prefix == "telltale-"
    return Path("/dev/full").open("r+b", buffering=1 << 13)


def _sent(size: int, *, in_memory: int = 0) -> httpx.Response:
    app = FastAPI()
    app.state.settings = Settings(model_repository=Path("/models"), preprocess_url="http://127.0.0.1:9")
    install_gateway_problems(app)
    app.add_middleware(RequestContext, logger="requests")

    @app.post("/predict")
    async def predict(request: Request) -> None:
        async with received(request, Parts(files=("file",), fields=())) as arrived:
            assert arrived.form.files

    async def once() -> httpx.Response:
        preprocess = PreprocessClient("http://127.0.0.1:9", timeout_s=5.0, head_starts=1)
        spools = Spools(in_memory=in_memory, bytes_each=1 << 16)
        app.state.services = SimpleNamespace(preprocess=preprocess, spools=spools)
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
                return await client.post("/predict", files={"file": ("clip.mp4", bytes(size))})
        finally:
            await preprocess.close()

    return asyncio.run(once())


# One that fits into the stream's buffer is refused once it is complete; one that does not, while it arrives; and one
# that began in memory, when it grows too large for that.
@pytest.mark.parametrize(("size", "in_memory"), [(1, 0), (1 << 20, 0), (1 << 20, 1)])
def test_an_upload_that_finds_no_room_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch, size: int, in_memory: int
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", _full)
    response = _sent(size, in_memory=in_memory)
    problem_of(response, 503, "no_room")
    assert response.headers["Retry-After"] == "5"


def test_another_fault_of_the_disk_is_no_want_of_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*, prefix: str) -> BinaryIO:
        raise OSError(errno.EIO, "broken", prefix)

    monkeypatch.setattr(tempfile, "TemporaryFile", broken)
    with pytest.raises(OSError, match="broken"):
        _sent(1)
