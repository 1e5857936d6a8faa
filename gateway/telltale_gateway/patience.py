"""How long a connection may take to say what it wants, and what is no request.

uvicorn waits for ever for the first line and headers of a request, so a handful of machines could hold every
connection that there is (slow loris). Bodies have deadlines of their own, where they are read.
"""

from __future__ import annotations

import asyncio
import uuid
from http import HTTPStatus
from typing import Any

import h11
from telltale_asgi.requests import REQUEST_ID_HEADER
from telltale_contracts import Problem
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 15.0
_HEAD_BYTES = 65_536


class StrictConnection(h11.Connection):
    """h11, which bounds a head only while it is incomplete, and goes on after one that says twice how long its body is.

    The latter is how a request is smuggled past a proxy that believes the other of the two (RFC 9112, 6.1).
    """

    def next_event(self) -> Any:
        """As h11's.

        Raises:
            RemoteProtocolError: what arrived is no request that may be answered.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if {b"content-length", b"transfer-encoding"} <= names:
                raise h11.RemoteProtocolError("both Content-Length and Transfer-Encoding")
            if len(event.target) + sum(len(name) + len(value) for name, value in event.headers) > _HEAD_BYTES:
                raise h11.RemoteProtocolError("the head is too long")
        return event


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 that hangs up on whoever has not sent the headers of a request in time."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn = StrictConnection(h11.SERVER, _HEAD_BYTES)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Read on; done waiting once a request has begun."""
        idle = self.cycle is None or self.cycle.response_complete
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif idle and self._deadline is None:
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP reaches no application, and is answered as a problem all the same."""
        request_id = uuid.uuid4().hex
        status = HTTPStatus.BAD_REQUEST
        problem = Problem.of(
            code="bad_request",
            title=status.phrase,
            status=status,
            detail=msg,
            hint="Speak HTTP/1.1, with headers of 64 kB at most.",
            request_id=request_id,
        )
        body = problem.model_dump_json().encode()
        headers = [
            ("Content-Type", Problem.MEDIA_TYPE),
            ("Content-Length", str(len(body))),
            (REQUEST_ID_HEADER, request_id),
            ("Connection", "close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _expect_headers(self) -> None:
        self._deadline = self.loop.call_later(HEADERS_S, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hang_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()
