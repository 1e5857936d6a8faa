"""The client of preprocess-service: one upload and a recipe go there, one TensorBundle comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from weakref import WeakSet

import aiohttp
from pydantic import ValidationError
from telltale_contracts import Drawing, MalformedBundle, Problem, Recipe, TensorBundle

from telltale_gateway.analysis.headstart import Framing, HeadStart, Pieces
from telltale_gateway.analysis.media import MediaSource
from telltale_gateway.errors import AnalysisTimeout, PreprocessUnavailable, UpstreamProblem
from telltale_gateway.spooling import Spool
from telltale_gateway.tracing import call_span, carried

_HINT = "Send the same request again in a few seconds."
_RETRY_AFTER_S = 2
_CONNECT_S = 5.0
_HEALTH_S = 2.0
# Below the five seconds for which the service keeps a connection that nobody uses.
_KEEP_S = 4.0
# Megabytes come back, so that few large pieces cost less than many small ones.
_PIECE = 1 << 20


class Rendered:
    """A drawing as it arrives; closing it early ends the process that draws."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.media_type: str = response.headers.get("Content-Type", "application/octet-stream")

    def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes, as they come."""
        return self._response.content.iter_any()

    async def read(self) -> bytes:
        """All of it, and the end of it.

        Raises:
            PreprocessUnavailable: it broke off.
        """
        try:
            return await self._response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PreprocessUnavailable("The drawing broke off.", _HINT, retry_after_s=_RETRY_AFTER_S) from error
        finally:
            await self.close()

    async def close(self) -> None:
        """Take no more of it."""
        self._response.close()


class PreprocessClient:
    """Speaks to one preprocess-service, or to several behind one address. Made inside a running event loop."""

    def __init__(self, url: str, *, timeout_s: float, head_starts: int = 0, patience_s: float = 5.0) -> None:
        """``head_starts``: how many uploads may be sent on while they arrive, within ``patience_s`` seconds; all others
        are sent when they are whole.
        """
        self._session = aiohttp.ClientSession(
            url,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_PIECE,
        )
        self._timeout_s = timeout_s
        self._most_head_starts, self._patience_s = head_starts, patience_s
        self._head_starts: WeakSet[HeadStart] = WeakSet()

    def head_start(self, media: Spool, most: int, request_id: str) -> HeadStart | None:
        """Begin to send a file that is still being written, of at most so many bytes; ``bundle`` will be asked of it.

        None if as many are under way as may be.
        """
        if sum(each.under_way for each in self._head_starts) >= self._most_head_starts:
            return None

        async def post(form: Framing, pieces: Pieces, length: int) -> aiohttp.ClientResponse:
            # Preprocessing's own span lies in this one, which like it begins with the upload.
            with call_span("preprocess ahead"):
                return await self._post("/bundle", form, pieces, length, request_id)

        begun = HeadStart(media, post, most=most, patience_s=self._patience_s)
        self._head_starts.add(begun)
        return begun

    async def bundle(self, media: MediaSource, recipe: Recipe, request_id: str) -> TensorBundle:
        """Everything that the recipe names, of one upload.

        Raises:
            UpstreamProblem: preprocessing refused the media; its problem is passed on.
            PreprocessUnavailable: it cannot be reached, or its answer is not a bundle.
            AnalysisTimeout: it took too long.
        """
        with self._translated(), call_span("preprocess"):
            wanted = ("recipe", recipe.model_dump_json())
            response = await media.head_start.finish(*wanted) if media.head_start is not None else None
            if response is None:
                response = await self._asked("/bundle", media.stream, *wanted, request_id)
            async with response:
                body = await response.read()
        if response.status != HTTPStatus.OK:
            raise _refusal(response, body)
        try:
            return TensorBundle.from_bytes(body)
        except MalformedBundle as error:
            raise PreprocessUnavailable(
                "Preprocessing answered something that is not a tensor bundle.", _HINT, retry_after_s=_RETRY_AFTER_S
            ) from error

    async def render(self, source: Spool, drawing: Drawing, request_id: str) -> Rendered:
        """A drawing on an upload or on an array (npy), which has begun; whoever asks for it closes it.

        Raises:
            UpstreamProblem: preprocessing refused it; its problem is passed on.
            PreprocessUnavailable: it cannot be reached.
            AnalysisTimeout: it took too long to begin.
        """
        with self._translated(), call_span("render"):
            response = await self._asked("/render", source, "drawing", drawing.model_dump_json(), request_id)
            if response.status == HTTPStatus.OK:
                return Rendered(response)
            async with response:
                raise _refusal(response, await response.read())

    async def _asked(self, path: str, media: Spool, field: str, text: str, request_id: str) -> aiohttp.ClientResponse:
        """Post a form of the media, from its start to its end, and a field that says what is wanted of it."""
        form = Framing()
        tail = form.tail(field, text)
        length = len(form.head) + media.size + len(tail)
        return await self._post(path, form, _pieces(form.head, media, tail), length, request_id)

    async def _post(
        self, path: str, form: Framing, pieces: Pieces, length: int, request_id: str
    ) -> aiohttp.ClientResponse:
        headers = {
            "Content-Type": form.content_type,
            "Content-Length": str(length),
            "X-Request-ID": request_id,
            **carried(),
        }
        return await self._session.post(path, data=pieces, headers=headers, allow_redirects=False)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What goes wrong on the way, in the words of our own errors."""
        try:
            yield
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise _away() from error
            raise AnalysisTimeout(
                f"Preprocessing took longer than {self._timeout_s:g} s.",
                "Send a shorter clip, or ask for fewer frames.",
            ) from error
        except aiohttp.ClientError as error:
            raise _away() from error

    async def alive(self) -> bool:
        """Whether the service says that it is healthy; never raises."""
        try:
            async with self._session.get("/health", timeout=aiohttp.ClientTimeout(_HEALTH_S)) as response:
                return response.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


async def _pieces(head: bytes, media: Spool, tail: bytes) -> Pieces:
    yield head
    # Not in a thread: it was written a moment ago and is read from memory, in less time than a thread takes to begin.
    place = 0
    while piece := media.read_at(place):
        place += len(piece)
        yield piece
    yield tail


def _away() -> PreprocessUnavailable:
    return PreprocessUnavailable("Preprocessing cannot be reached.", _HINT, retry_after_s=_RETRY_AFTER_S)


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> UpstreamProblem | PreprocessUnavailable:
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        return PreprocessUnavailable(
            f"Preprocessing answered {response.status} without saying why.", _HINT, retry_after_s=_RETRY_AFTER_S
        )
    retry_after = response.headers.get("Retry-After", "")
    return UpstreamProblem(problem, retry_after_s=int(retry_after) if retry_after.isdecimal() else None)
