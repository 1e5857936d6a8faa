"""A medium is posted with patience, and what a service says against it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from telltale_contracts import Problem
from telltale_export.errors import DataError
from telltale_export.served.gateway import Gateway
from telltale_export.served.http import Refused, post_medium


@dataclass
class Service:
    """A server that answers what it is told to, one answer after the other, and remembers how it was asked."""

    url: str
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    """On a free port, gone afterwards."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            known.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, content = known.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known = Service(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield known
        server.shutdown()
        thread.join()


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """Some bytes."""
    path = tmp_path / "medium.bin"
    path.write_bytes(b"some bytes")
    return path


def problem(status: int, code: str) -> tuple[int, bytes]:
    """An error as every service answers it."""
    said = Problem(type="/errors", title="No", status=status, detail=f"It is {code}.", code=code, hint="Do so.")
    return status, said.model_dump_json().encode()


def post(service: Service, medium: Path) -> bytes:
    with httpx.Client(base_url=service.url) as client:
        return post_medium(client, "/bundle", medium, field="media", form={"recipe": "{}"}, hint="Start it.")


def test_who_is_busy_is_asked_again(service: Service, medium: Path) -> None:
    service.answers += [problem(503, "busy"), problem(503, "busy"), (200, b"done")]
    assert post(service, medium) == b"done"
    assert len(service.asked) == 3
    assert all(b"some bytes" in body and b'name="recipe"' in body for _, _, body in service.asked)


def test_who_stays_busy_has_refused(service: Service, medium: Path) -> None:
    service.answers += [problem(503, "busy")] * 6
    with pytest.raises(Refused, match=r"It is busy\.") as raised:
        post(service, medium)
    assert (raised.value.code, raised.value.unfit, service.answers) == ("busy", False, [])


@pytest.mark.parametrize("status", [413, 415, 422])
def test_an_unfit_medium_is_refused_with_its_reason(status: int, service: Service, medium: Path) -> None:
    service.answers.append(problem(status, "torn"))
    with pytest.raises(Refused, match=r"It is torn\.") as raised:
        post(service, medium)
    assert (raised.value.code, raised.value.unfit, raised.value.hint) == ("torn", True, "Do so.")


def test_an_answer_in_other_words_is_kept_too(service: Service, medium: Path) -> None:
    service.answers.append((502, b"<html>bad gateway</html>"))
    with pytest.raises(Refused, match="bad gateway") as raised:
        post(service, medium)
    assert raised.value.code == "http_502"


def test_what_would_happen_to_every_medium_ends_the_command(service: Service, medium: Path) -> None:
    service.answers.append(problem(401, "key_required"))
    with pytest.raises(DataError, match=r"answered 401: It is key_required\."):
        post(service, medium)
    with pytest.raises(DataError, match="does not answer"):
        post(Service("http://127.0.0.1:9"), medium)


def test_a_gateway_is_given_its_key(service: Service) -> None:
    service.answers += [(200, b"[]"), problem(401, "key_required")]
    with Gateway(service.url, "secret") as gateway:
        assert gateway.detectors() == {}
    with Gateway(service.url) as gateway, pytest.raises(DataError, match="401"):
        gateway.detectors()
    assert [headers.get("x-api-key") for _, headers, _ in service.asked] == ["secret", None]
