"""One URL in, its content out: as large and as slow as is allowed, from where it is allowed."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http import HTTPStatus
from urllib.parse import unquote

import httpcore
import httpx

from telltale_gateway.analysis import MediaSource
from telltale_gateway.errors import Busy, UploadTimeout, UploadTooLarge, UrlRefused, UrlUnreachable
from telltale_gateway.fetching.addresses import is_public
from telltale_gateway.fetching.pinned import NotPublic, PinnedBackend, Resolve, resolve
from telltale_gateway.spooling import Spool

_MOST_REDIRECTS = 5
_LONGEST_URL = 2048
_LONGEST_NAME = 255
_CONNECT_S = 5.0
_RETRY_AFTER_S = 2
# A thread each: a name server that does not answer holds these, and none that digests, bundles or reconciling need.
_RESOLVING = 4
_REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
# Names, addresses, and IPv6 addresses, which httpx gives without their brackets.
_HOST = re.compile(rb"[A-Za-z0-9._:-]+")
_USUAL_PORT = {"http": 80, "https": 443}
# One answer for a host that does not exist, one that is ours alone and one that is away: else whoever asks could find
# out what there is behind us.
_UNREACHABLE = "It leads to no public place that answers."
_HINT = "Send the media itself in a part named file."


class UrlFetcher:
    """Fetches media by URL: http and https, public addresses, named ports; each redirect is looked at anew."""

    def __init__(
        self,
        *,
        limit_bytes: int,
        timeout_s: float,
        ports: frozenset[int],
        concurrent: int,
        resolving: Resolve | None = None,
        public: Callable[[str], bool] = is_public,
    ) -> None:
        self._limit = limit_bytes
        self._timeout_s = timeout_s
        self._ports = ports
        self._concurrent = concurrent
        self._running = 0
        self._resolvers = ThreadPoolExecutor(_RESOLVING, thread_name_prefix="resolve")
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=concurrent,
            max_keepalive_connections=0,
            network_backend=PinnedBackend(resolving or partial(resolve, executor=self._resolvers), public),
        )

    async def close(self) -> None:
        """Close the connections, and ask for no more names."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)
        await self._pool.aclose()

    @asynccontextmanager
    async def fetched(self, text: str) -> AsyncIterator[MediaSource]:
        """What a URL leads to; it is gone when the context is left.

        Raises:
            Busy: as many are being fetched as may be.
            UrlRefused: it is no URL that may be fetched, whoever it leads to.
            UrlUnreachable: no public place answers there, or not with media.
            UploadTooLarge: there is more than the limit.
            UploadTimeout: it had not arrived in time.
        """
        started = time.perf_counter()
        with Spool() as stream:
            try:
                with self._counted():
                    async with asyncio.timeout(self._timeout_s):
                        url = await self._follow(self._checked(text), stream)
            except TimeoutError as error:
                raise UploadTimeout(f"The URL had not answered in full after {self._timeout_s:g} s.", _HINT) from error
            except (NotPublic, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
                raise UrlUnreachable(_UNREACHABLE, _HINT) from error
            yield MediaSource(stream, _name(url), (time.perf_counter() - started) * 1000.0)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """One of those that may be fetched at once."""
        if self._running >= self._concurrent:
            raise Busy(
                f"{self._running} URLs are being fetched, as many as are allowed.",
                "Send the same request again in a few seconds, or the media itself.",
                retry_after_s=_RETRY_AFTER_S,
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def _checked(self, text: str) -> httpx.URL:
        """The URL, which is of a kind that may be fetched."""
        if len(text) > _LONGEST_URL:
            raise UrlRefused(f"It is longer than {_LONGEST_URL} characters.", _HINT)
        if text != text.strip():
            raise UrlRefused("It begins or ends with a space or a line break.", _HINT)
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, ValueError) as error:
            raise UrlRefused("It is not a URL.", _HINT) from error
        if url.scheme not in _USUAL_PORT:
            raise UrlRefused("Only http and https URLs are fetched.", _HINT)
        if not url.raw_host:
            raise UrlRefused("It names no host.", _HINT)
        if b":" in url.raw_host and b"%" in url.raw_host:
            raise UrlRefused("Its address names an interface (%), which is of one machine only.", _HINT)
        if not _HOST.fullmatch(url.raw_host):
            raise UrlRefused("Its host is neither a name nor an address.", _HINT)
        if url.userinfo:
            raise UrlRefused("A URL with a user name or password is not fetched.", _HINT)
        if _port(url) not in self._ports:
            raise UrlRefused(f"Port {_port(url)} is not one that is fetched from.", _HINT)
        return url

    async def _follow(self, url: httpx.URL, stream: Spool) -> httpx.URL:
        """Write what is at the end of the redirects; where that was."""
        for _ in range(_MOST_REDIRECTS + 1):
            async with self._pool.stream(
                b"GET",
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=[
                    (b"Host", url.netloc),
                    (b"User-Agent", b"telltale"),
                    (b"Accept", b"*/*"),
                    (b"Accept-Encoding", b"identity"),
                ],
                extensions={"timeout": {"connect": _CONNECT_S, "read": self._timeout_s}},
            ) as response:
                headers = {name.lower(): value for name, value in response.headers}
                if response.status not in _REDIRECTS:
                    await self._save(response, headers, stream)
                    return url
                url = self._redirected(url, headers.get(b"location", b"").decode("latin-1"))
        raise UrlUnreachable(f"It redirects more than {_MOST_REDIRECTS} times.", _HINT)

    def _redirected(self, url: httpx.URL, location: str) -> httpx.URL:
        try:
            further = str(url.join(location))
        except (httpx.InvalidURL, ValueError) as error:
            raise UrlUnreachable("It redirects to something that is not a URL.", _HINT) from error
        checked = self._checked(further)
        if url.scheme == "https" and checked.scheme == "http":
            raise UrlRefused("It redirects from https to http, which could be anybody's answer.", _HINT)
        return checked

    async def _save(self, response: httpcore.Response, headers: dict[bytes, bytes], stream: Spool) -> None:
        if response.status != HTTPStatus.OK:
            raise UrlUnreachable(f"It answers {response.status}.", _HINT)
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise UrlUnreachable("It answers compressed, though it was asked not to.", _HINT)
        announced = headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self._limit:
            raise UploadTooLarge(self._limit)
        size = 0
        async for chunk in response.aiter_stream():
            size += len(chunk)
            if size > self._limit:
                raise UploadTooLarge(self._limit)
            await asyncio.to_thread(stream.write, chunk)


def _port(url: httpx.URL) -> int:
    return _USUAL_PORT[url.scheme] if url.port is None else url.port


def _name(url: httpx.URL) -> str | None:
    """The last part of the path, as uploads have a name; told back, and never used to open anything."""
    return unquote(url.path.rpartition("/")[2])[:_LONGEST_NAME] or None
