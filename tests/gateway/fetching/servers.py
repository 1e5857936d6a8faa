"""A web server and a resolver of our own, both on loopback, that say what a test wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MEDIA = b"what the upload would have been" * 100


@dataclass
class WebServer:
    """``asked`` holds the Host and the path of every request that arrived."""

    port: int
    asked: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Resolver:
    """Answers with one list of addresses after the other, and with the last one from then on."""

    answers: Sequence[Sequence[str]]
    asked: int = 0

    async def __call__(self, host: str, port: int) -> list[str]:  # noqa: ARG002 whatever the host
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return list(answer)


class _Handler(BaseHTTPRequestHandler):
    web: WebServer

    def do_GET(self) -> None:
        self.web.asked.append((self.headers["Host"], self.path))
        what, _, rest = self.path.strip("/").partition("/")
        if what == "to":
            self.send_response(302)
            self.send_header("Location", rest)
            self.end_headers()
        elif what == "status":
            self.send_response(int(rest))
            self.end_headers()
        elif what == "endless":
            self.send_response(200)
            self.end_headers()
            self._drip(1_000_000, 0.0)
        elif what == "slow":
            self.send_response(200)
            self.end_headers()
            self._drip(1, 0.05)
        else:
            self.send_response(200)
            length = "999999999" if what == "announced" else str(len(MEDIA))
            self.send_header("Content-Length", length)
            if what == "compressed":
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(MEDIA)

    def _drip(self, size: int, pause: float) -> None:
        try:
            for _ in range(100):
                self.wfile.write(b"x" * size)
                time.sleep(pause)
        except OSError:
            pass  # whoever asked has hung up, as he should

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def web_server() -> Iterator[WebServer]:
    """Serve on a free port of 127.0.0.1 until the context is left."""
    web = WebServer(0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"web": web}))
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
