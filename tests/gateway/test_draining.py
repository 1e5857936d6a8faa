"""A gateway that is told to stop: whoever is connected is answered, whoever comes later is refused."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from telltale_gateway.draining import DrainingServer, overlook_newcomers

REQUEST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving() -> Iterator[tuple[DrainingServer, int, threading.Thread]]:
    server = DrainingServer(uvicorn.Config(echo, port=0, lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        yield server, server.servers[0].sockets[0].getsockname()[1], thread
    finally:
        server.should_exit = True
        thread.join(timeout=30)
    assert not thread.is_alive()


def answer(connection: socket.socket) -> bytes:
    connection.sendall(REQUEST)
    received = b""
    while chunk := connection.recv(4096):
        received += chunk
    return received


def test_who_has_connected_but_not_yet_asked_is_answered() -> None:
    with serving() as (server, port, _):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        server.should_exit = True
        # Until the door is closed: from then on a request that comes over the open connection is late.
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=10).close()
                time.sleep(0.02)
            except ConnectionRefusedError:
                break
        assert answer(connection).startswith(b"HTTP/1.1 200")


def test_nobody_is_cut_off_while_the_door_closes() -> None:
    outcomes: Counter[str] = Counter()

    def ask_until_refused(port: int) -> None:
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            except OSError as error:
                # Refused, or reset before the connection stood: a proxy goes elsewhere with both.
                outcomes["refused" if isinstance(error, ConnectionError) else repr(error)] += 1
                return
            with connection:
                try:
                    answered = answer(connection).startswith(b"HTTP/1.1 200")
                    outcomes["answered" if answered else "closed without an answer"] += 1
                except OSError as error:
                    outcomes[repr(error)] += 1

    with serving() as (server, port, _):
        clients = [threading.Thread(target=ask_until_refused, args=(port,)) for _ in range(8)]
        for client in clients:
            client.start()
        while outcomes["answered"] < 50:
            assert set(outcomes) <= {"answered"}, outcomes
        server.should_exit = True
        for client in clients:
            client.join(timeout=30)
    assert outcomes.keys() == {"answered", "refused"}, outcomes
    assert outcomes["refused"] == len(clients)


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_who_waits_is_let_in_and_newcomers_are_overlooked_until_the_door_is_closed(
    family: socket.AddressFamily, address: str
) -> None:
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        place = listener.getsockname()[:2]
        with socket.create_connection(place, timeout=10) as waiting:
            overlook_newcomers(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(place, timeout=0.3)
            accepted, _ = listener.accept()
            with accepted:
                waiting.sendall(b"heard")
                assert accepted.recv(5) == b"heard"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, timeout=10)
