"""Fetching by URL: real connections to a server on loopback, and every known way to make us go where we must not."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from telltale_gateway.errors import Busy, TelltaleError, UploadTimeout, UploadTooLarge, UrlRefused, UrlUnreachable
from telltale_gateway.fetching import NotPublic, UrlFetcher, is_public, resolve
from telltale_gateway.fetching.pinned import Resolve

from tests.gateway.fetching.servers import MEDIA, Resolver, WebServer, web_server

LIMIT = 1_000_000


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def fetch(
    web: WebServer,
    url: str,
    *,
    resolving: Resolve = resolve,
    public: Callable[[str], bool] = is_public,
    timeout_s: float = 10.0,
) -> tuple[bytes, str | None]:
    """Fetch with the server's port allowed; the content and its name."""

    async def once() -> tuple[bytes, str | None]:
        ports = frozenset({80, 443, web.port})
        fetcher = UrlFetcher(
            limit_bytes=LIMIT, timeout_s=timeout_s, ports=ports, concurrent=4, resolving=resolving, public=public
        )
        try:
            async with fetcher.fetched(url) as media:
                return b"".join(media.stream.snapshot()), media.filename
        finally:
            await fetcher.close()

    return asyncio.run(once())


def anywhere(_: str) -> bool:
    """Takes loopback for public, so that there is something to fetch."""
    return True


def refused(web: WebServer, url: str, kind: type[TelltaleError], **how: object) -> TelltaleError:
    with pytest.raises(kind) as raised:
        fetch(web, url, **how)  # type: ignore[arg-type]
    return raised.value


def test_what_is_public_is_fetched_with_its_name(web: WebServer) -> None:
    here = Resolver([["127.0.0.1"]])
    url = f"http://media.example:{web.port}/clips/a%20clip.mp4?token=x"
    assert fetch(web, url, resolving=here, public=anywhere) == (MEDIA, "a clip.mp4")
    assert web.asked == [(f"media.example:{web.port}", "/clips/a%20clip.mp4?token=x")]


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1"),
        *("017700000001", "0", "0.0.0.0", "127.127.127.127", "LOCALHOST", "localhost.", "127.0.0.1."),  # noqa: S104
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"),
        *("１２７.0.0.1", "①②⑦.0.0.1", "127。0。0。1", "169.254.169.254", "0xa9fea9fe", "[fd00:ec2::254]", "10.0.0.1"),  # noqa: RUF001
    ],
)
def test_no_spelling_of_an_address_of_ours_is_fetched(web: WebServer, host: str) -> None:
    with pytest.raises((UrlRefused, UrlUnreachable)):
        fetch(web, f"http://{host}:{web.port}/secret")
    assert web.asked == []


def test_the_spellings_would_have_reached_it(web: WebServer) -> None:
    for host in ("127.1", "2130706433", "0x7f000001", "017700000001", "0"):
        assert fetch(web, f"http://{host}:{web.port}/secret", public=anywhere)[0] == MEDIA


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "//example.com/x", "file:///etc/passwd", "ftp://example.com/x", "gopher://example.com/_x"),
        *("http://", "http:///x", "http://user@example.com/", "http://user:pw@example.com/", "http://example.com:22/"),
        *("http://example.com:6379/", "http://example.com:0/", "http://example.com:99999/", "javascript:alert(1)"),
        *("http://exa mple.com/", "http://example.com\r\nHost: x/", "data:video/mp4;base64,AAAA", "http://[::1"),
        "http://example.com/" + "x" * 3000,
    ],
)
def test_what_is_not_a_plain_web_address_is_refused_before_anything_is_asked(web: WebServer, url: str) -> None:
    resolver = Resolver([["127.0.0.1"]])
    refused(web, url, UrlRefused, resolving=resolver, public=anywhere)
    assert resolver.asked == 0


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/x", "Only http and https"),
        (" http://example.com/", "begins or ends with a space"),
        ("http://example.com/\n", "begins or ends with a space"),
        ("http://[fe80::1%eth0]/", "names an interface"),
        ("http://[fe80::1%25eth0]/", "names an interface"),
        ("http:///x", "names no host"),
        ("http://exa*mple.com/", "neither a name nor an address"),
        ("http://example.com/" + "x" * 3000, "longer than 2048"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(web: WebServer, url: str, why: str) -> None:
    with pytest.raises(UrlRefused, match=why):
        fetch(web, url, public=anywhere)


def test_one_private_address_among_public_ones_is_enough_to_refuse(web: WebServer) -> None:
    mixed = Resolver([["8.8.8.8", "127.0.0.1"]])
    refused(web, f"http://mixed.example:{web.port}/", UrlUnreachable, resolving=mixed)
    assert web.asked == []


def test_a_name_that_changes_its_mind_is_asked_once_for_each_connection(web: WebServer) -> None:
    """DNS rebinding: what was checked is what is connected to."""
    rebinding = Resolver([["127.0.0.2"], ["127.0.0.1"]])
    refused(
        web,
        f"http://rebind.example:{web.port}/",
        UrlUnreachable,
        resolving=rebinding,
        public=lambda address: address == "127.0.0.2",
    )
    assert rebinding.asked == 1
    assert web.asked == []


def test_a_name_that_changes_its_mind_between_redirects_is_looked_at_again(web: WebServer) -> None:
    rebinding = Resolver([["127.0.0.1"], ["127.0.0.3"]])
    refused(
        web,
        f"http://rebind.example:{web.port}/to//again",
        UrlUnreachable,
        resolving=rebinding,
        public=lambda address: address == "127.0.0.1",
    )
    assert rebinding.asked == 2
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    "target",
    [
        *(
            "http://127.0.0.1:{port}/secret",
            "http://2130706433:{port}/secret",
            "http://[::ffff:127.0.0.1]:{port}/secret",
        ),
        *("http://169.254.169.254/latest/meta-data/", "//127.0.0.1:{port}/secret", "file:///etc/passwd"),
        *("http://example.com:22/", "gopher://127.0.0.1:{port}/", "http://user:pw@example.com/"),
    ],
)
def test_a_redirect_leads_to_no_place_that_could_not_be_asked_for(web: WebServer, target: str) -> None:
    async def resolving(host: str, port: int) -> list[str]:
        return ["127.0.0.9"] if host == "public.example" else await resolve(host, port)

    with pytest.raises((UrlRefused, UrlUnreachable)):
        fetch(
            web,
            f"http://public.example:{web.port}/to/{target.format(port=web.port)}",
            resolving=resolving,
            public=lambda address: address == "127.0.0.9" or is_public(address),
        )
    assert all(path != "/secret" for _, path in web.asked)


def test_redirects_are_followed_and_end(web: WebServer) -> None:
    here = {"resolving": Resolver([["127.0.0.1"]]), "public": anywhere}
    base = f"http://media.example:{web.port}"
    assert fetch(web, f"{base}/to//to//clip.mp4", **here) == (MEDIA, "clip.mp4")  # type: ignore[arg-type]
    loop = "/to/" * 9 + "/x"
    assert "redirects more" in refused(web, base + loop, UrlUnreachable, **here).detail


def test_what_is_too_large_or_too_slow_is_given_up(web: WebServer) -> None:
    here = {"resolving": Resolver([["127.0.0.1"]]), "public": anywhere}
    base = f"http://media.example:{web.port}"
    refused(web, f"{base}/announced", UploadTooLarge, **here)
    refused(web, f"{base}/endless", UploadTooLarge, **here)
    refused(web, f"{base}/slow", UploadTimeout, timeout_s=0.5, **here)


@pytest.mark.parametrize(("path", "why"), [("status/404", "404"), ("status/500", "500"), ("compressed", "compressed")])
def test_what_is_no_media_is_said(web: WebServer, path: str, why: str) -> None:
    url = f"http://media.example:{web.port}/{path}"
    assert why in refused(web, url, UrlUnreachable, resolving=Resolver([["127.0.0.1"]]), public=anywhere).detail


def test_nobody_learns_which_names_and_ports_there_are_behind_us(web: WebServer) -> None:
    nobody = Resolver([[]])
    details = {
        refused(web, f"http://none.example:{web.port}/", UrlUnreachable, resolving=nobody).detail,
        refused(web, f"http://localhost:{web.port}/", UrlUnreachable).detail,
        refused(web, "http://127.0.0.1:80/", UrlUnreachable).detail,
        refused(web, "http://127.0.0.1:443/", UrlUnreachable, public=anywhere).detail,
        refused(web, f"https://127.0.0.1:{web.port}/", UrlUnreachable, public=anywhere).detail,
    }
    assert len(details) == 1


def test_a_name_server_that_does_not_answer_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many fetches as may be wait for it, one more is told to come back, and other threads are free meanwhile."""
    answered = threading.Event()

    def never(*_: object, **__: object) -> list[object]:
        answered.wait(60.0)
        return []

    async def ask() -> list[BaseException | None]:
        fetcher = UrlFetcher(limit_bytes=LIMIT, timeout_s=0.5, ports=frozenset({80}), concurrent=40)

        async def once() -> None:
            async with fetcher.fetched("http://slow.example/clip.mp4"):
                pass

        try:
            asked = [asyncio.create_task(once()) for _ in range(41)]
            await asyncio.sleep(0)
            assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 10.0) == 7
            assert sum(not each.done() for each in asked) > 0
            return list(await asyncio.gather(*asked, return_exceptions=True))
        finally:
            await fetcher.close()
            answered.set()

    monkeypatch.setattr(socket, "getaddrinfo", never)
    came = asyncio.run(ask())
    assert sum(isinstance(each, UploadTimeout | UrlUnreachable) for each in came) == 40
    (told,) = [each for each in came if isinstance(each, Busy)]
    assert (told.status, told.retry_after_s) == (503, 2)


def test_a_name_that_is_not_known_in_time_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(60.0))

    async def ask() -> None:
        with ThreadPoolExecutor(1) as executor:
            try:
                await resolve("slow.example", 80, executor=executor, within_s=0.05)
            finally:
                answered.set()

    with pytest.raises(NotPublic):
        asyncio.run(ask())
