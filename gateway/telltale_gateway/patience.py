"""How long a connection may take to say what it wants, and what is no request.

uvicorn waits for ever for the first line and headers of a request, so a handful of machines could hold every
connection that there is (slow loris). Bodies have deadlines of their own, where they are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from telltale_asgi.requests import MALFORMED
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEADERS_S = 15.0
_HEAD_BYTES = 65_536
# A piece of an upload passes through many hands, which take as long whatever its size; so of a body whose length is
# known much is read at once. What comes in chunks may be a hundred thousand of them, and is read bit by bit.
_READ_AT_ONCE, _READ_OF_CHUNKS = 1 << 20, 1 << 16
_TOO_LONG = f"The first line and the headers are longer than {_HEAD_BYTES} bytes together."
_TWO_LENGTHS = "Both Content-Length and Transfer-Encoding are given, and only one of them can say where the body ends."
# What h11's words for it begin with; some of them go on with what was sent, which is never told back.
_WRONG = {
    "Receive buffer too long": _TOO_LONG,
    "illegal request line": "The first line is not that of a request: METHOD TARGET HTTP/1.1.",
    "no request line": "There is no first line.",
    "illegal header line": "A line of the headers is not NAME: VALUE.",
    "continuation line": "The headers begin with the continuation of one.",
    "Illegal header name": "The name of a header has characters that it may not have.",
    "Illegal header value": "The value of a header has characters that it may not have.",
    "conflicting Content-Length": "Content-Length is given twice, with different values.",
    "bad Content-Length": "Content-Length is not a number of bytes.",
    "multiple Transfer-Encoding": "Transfer-Encoding is given twice.",
    "Only Transfer-Encoding": "Transfer-Encoding is not chunked, the only one that is understood.",
    "Missing mandatory Host": "The header Host is missing.",
    "Found multiple Host": "The header Host is given twice.",
    "Illegal method": "The method has characters that it may not have.",
    "Illegal target": "The target has characters that it may not have.",
    "illegal chunk header": "A chunk of the body does not begin with its length in hexadecimal digits.",
    "malformed chunk footer": "A chunk of the body does not end where its length says.",
    "peer": "The connection was closed before the request was complete.",
}
_UNKNOWN = "It cannot be read as HTTP/1.1."
_CLOSE = (b"connection", b"close")


class StrictConnection(h11.Connection):
    """h11, which bounds a head only while it is incomplete, and goes on after one that says twice how long its body is.

    The latter is how a request is smuggled past a proxy that believes the other of the two (RFC 9112, 6.1).
    ``malformed`` is told once of what cannot be read, in words that may be answered, and of its method where that is
    known; then nothing more is read.
    """

    def __init__(self, malformed: Callable[[str, str | None], None]) -> None:
        super().__init__(h11.SERVER, _HEAD_BYTES)
        self._malformed = malformed
        self._done = False

    def next_event(self) -> Any:
        """As h11's, but that it pauses where h11 raises."""
        if self._done:
            return h11.PAUSED
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            said = str(error)
            return self._end(next((words for start, words in _WRONG.items() if said.startswith(start)), _UNKNOWN))
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            method = event.method.decode("ascii")
            if {b"content-length", b"transfer-encoding"} <= names:
                return self._end(_TWO_LENGTHS, method)
            if len(event.target) + sum(len(name) + len(value) for name, value in event.headers) > _HEAD_BYTES:
                return self._end(_TOO_LONG, method)
        return event

    def _end(self, words: str, method: str | None = None) -> Any:
        self._done = True
        self._malformed(words, method)
        return h11.PAUSED


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 that hangs up on whoever has not sent the headers of a request in time.

    What cannot be read is the application's to answer, so that it is answered, counted and logged like any other
    request: the state of its scope says what is wrong, under ``MALFORMED``.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn = StrictConnection(self._refuse)
        self._deadline: asyncio.TimerHandle | None = None
        # The request whose body arrives, and how much of it is still to come, or a little more.
        self._arriving: RequestResponseCycle | None = None
        self._left = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._read_next(0)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Read on; done waiting once a request has begun."""
        idle = self.cycle is None or self.cycle.response_complete
        super().data_received(data)
        self._read_next(len(data))
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif idle and self._deadline is None:
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _refuse(self, words: str, method: str | None) -> None:
        """Tell the application, of its request where one is under way, and let the connection end with its answer."""
        if self.cycle is not None and not self.cycle.response_complete:
            cycle = self.cycle
            cycle.scope["state"][MALFORMED] = words
            cycle.scope["headers"] = [*cycle.scope["headers"], _CLOSE]
            cycle.keep_alive = False
            cycle.more_body = False
            cycle.message_event.set()
            return
        self._unset_keepalive_if_required()
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "method": method or "",
            "root_path": self.root_path,
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "headers": [_CLOSE],
            "state": {**self.app_state, MALFORMED: words},
        }
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            conn=self.conn,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            on_response=self.on_response_complete,
        )
        self.cycle.keep_alive = self.cycle.more_body = False
        task = self.loop.create_task(self.cycle.run_asgi(self.app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _read_next(self, arrived: int) -> None:
        """Choose how much is read at once, never far beyond the body: there another request may begin."""
        if self.cycle is None or not self.cycle.more_body:
            self._arriving, self._left = None, 0
        elif self.cycle is not self._arriving:
            self._arriving = self.cycle
            self._left = next((int(value) for name, value in self.headers if name == b"content-length"), 0)
        else:
            self._left -= arrived
        # Of asyncio's own loop; another one may not have it, and reads as it likes.
        if hasattr(self.transport, "max_size"):
            self.transport.max_size = max(_READ_OF_CHUNKS, min(_READ_AT_ONCE, self._left))

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
