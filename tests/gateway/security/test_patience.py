"""Clients that take their time, and bodies that are larger than anything asked for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from telltale_gateway import patience
from telltale_gateway.patience import ImpatientProtocol

from tests.gateway.running import RunningGateway, problem_of, running_gateway


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers after the body; an application of a few lines, because the protocol below it is what is tested."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def closed_after(*pieces: bytes) -> bytes:
    """What a server with little patience sends to whoever sends these pieces and then nothing, until it hangs up."""
    config = uvicorn.Config(
        application, port=0, http=ImpatientProtocol, log_level="critical", lifespan="off", timeout_keep_alive=60
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.05)
    received = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    server.should_exit = True
    await serving
    return received


WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "answers"),
    [((), 0), ((b"GE",), 0), ((b"GET / HTTP/1.1\r\n", b"Host: x\r\n", b"X-A: b\r\n"), 0), ((WHOLE, b"GET / HT"), 1)],
)
def test_who_does_not_finish_his_headers_is_hung_up_on(
    pieces: tuple[bytes, ...], answers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEADERS_S", 0.5)
    assert asyncio.run(closed_after(*pieces)).count(b"204") == answers


def test_much_is_read_at_once_only_of_a_body_whose_length_is_known() -> None:
    reading: dict[str, list[int]] = {}

    async def watching(scope: dict[str, Any], receive: Any, send: Any) -> None:
        (connection,) = server.server_state.connections
        seen = reading.setdefault(scope["path"], [])
        while (await receive()).get("more_body"):
            seen.append(connection.transport.max_size)
        seen.append(connection.transport.max_size)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(watching, port=0, http=ImpatientProtocol, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)

    async def ask() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 uvicorn has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for head, body in (
            (b"POST /sized HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n", bytes(4_000_000)),
            (
                b"POST /chunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"1\r\nx\r\n" * 9 + b"0\r\n\r\n",
            ),
        ):
            for piece in (head, body[:30], body[30:]):
                writer.write(piece)
                await asyncio.sleep(0.05)
            await reader.readuntil(b"\r\n\r\n")
        writer.close()
        server.should_exit = True
        await serving

    asyncio.run(asyncio.wait_for(ask(), 20))
    assert max(reading["/sized"]) == 1 << 20
    # Towards its end less, and beyond it no more than of anything else.
    assert reading["/sized"][-1] == 1 << 16
    assert set(reading["/chunks"]) == {1 << 16}


@pytest.fixture(scope="module")
def gateway(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    settings = {"TELLTALE_DEADLINES__UPLOAD_S": "1.0"}
    with running_gateway(toy_repository, tmp_path_factory.mktemp("patient"), settings) as running:
        yield running


def test_an_upload_that_never_ends_is_given_up(gateway: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 100000\r\n\r\n"
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx'
        )
        answer = b""
        while b"}" not in answer:
            answer += connection.recv(65536)
    assert b" 408 " in answer.partition(b"\r\n")[0]
    assert b'"upload_timeout"' in answer


def test_a_form_of_a_million_fields_is_refused(gateway: RunningGateway) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    body = part * 1_000_000 + b"--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    problem_of(gateway.client.post("/predict", content=body, headers=headers), 400, "bad_upload")


def test_a_body_of_json_larger_than_any_order_is_refused(gateway: RunningGateway) -> None:
    response = gateway.client.post("/models/toy-face/rollout", content=b"[" * 2_000_000)
    problem_of(response, 413, "upload_too_large")


FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize("path", ["/models/toy-face/rollout", "/models/none/rollout", "/nowhere", "/health"])
def test_a_form_where_no_upload_is_taken_is_a_small_body_like_any_other(gateway: RunningGateway, path: str) -> None:
    response = gateway.client.post(path, content=b"-" * 2_000_000, headers={"Content-Type": FORM})
    problem_of(response, 413, "upload_too_large")


def begun(gateway: RunningGateway, host: str) -> bytes:
    """The status line that answers whoever begins to send a form to the rollout, and stalls."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        head = f"POST /models/none/rollout HTTP/1.1\r\nHost: {host}\r\nContent-Type: {FORM}\r\n"
        connection.sendall(head.encode() + b"Content-Length: 900000000\r\n\r\n--b\r\n")
        return connection.recv(65_536).partition(b"\r\n")[0]


def test_a_form_that_stalls_where_no_upload_is_taken_is_given_up(gateway: RunningGateway) -> None:
    assert b" 408 " in begun(gateway, "127.0.0.1")


def test_who_may_not_operate_hears_so_before_the_body_is_read(gateway: RunningGateway) -> None:
    assert b" 403 " in begun(gateway, "page.example")
