"""Uploads that are sent on while they arrive, over real sockets: what comes, what is asked, and what when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import aiohttp
import h11
import pytest
from telltale_asgi.forms import FormLimits, read_form
from telltale_contracts import BundleMetadata, MediaFacts, Recipe, TensorBundle
from telltale_gateway.analysis import HeadStart, MediaSource, PreprocessClient
from telltale_gateway.analysis.headstart import Framing, Pieces
from telltale_gateway.errors import PreprocessUnavailable
from telltale_gateway.spooling import Spool

from tests.gateway.running import running_gateway

RECIPE = Recipe.model_validate({"inputs": [{"kind": "face_crop", "size": 224}]})
BUNDLE = TensorBundle(BundleMetadata(media=MediaFacts(kind="image", container="png")))
MEGABYTE = 1 << 20
MOST = 3 * MEGABYTE + 100
PART = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="clip.mp4"\r\n\r\n'
PIECES = [bytes([piece]) * MEGABYTE for piece in range(3)]


@dataclass
class Preprocessing:
    """Takes forms; breaks the first connection after so many bytes, or every one when its form is whole."""

    break_first_after: int | None = None
    break_at_the_end: bool = False
    paused: bool = False
    refuse_first_after: int | None = None
    connections: int = 0
    received: int = 0
    broken_off: int = 0
    open: int = 0
    refused: bool = False
    forms: list[tuple[str, bytes]] = field(default_factory=list)
    announced: list[int] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            form = await self._form(reader)
            if self.refused:
                # Not in full, so that the other side has to let go of it.
                writer.write(b"HTTP/1.1 503 No Room\r\nContent-Length: 2\r\n\r\n{")
                await writer.drain()
                self.refused = False
                await reader.read()
            if form is not None:
                self.forms.append(form)
            if form is not None and not self.break_at_the_end:
                answer = BUNDLE.to_bytes()
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode() + answer)
                await writer.drain()
        finally:
            self.open -= 1
            writer.close()

    async def _form(self, reader: asyncio.StreamReader) -> tuple[str, bytes] | None:
        connection, content_type, body = h11.Connection(h11.SERVER), "", b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                await until(lambda: not self.paused)
                piece = await reader.read(1 << 16)
                if not piece:
                    self.broken_off += bool(body)
                    return None
                connection.receive_data(piece)
            elif isinstance(event, h11.Request):
                content_type = dict(event.headers)[b"content-type"].decode()
                self.announced.append(int(dict(event.headers).get(b"content-length", -1)))
            elif isinstance(event, h11.Data):
                body += event.data
                self.received += len(event.data)
                if (
                    self.refuse_first_after is not None
                    and self.connections == 1
                    and len(body) > self.refuse_first_after
                ):
                    self.refused = True
                    return None
                if self.break_first_after is not None and self.connections == 1 and len(body) > self.break_first_after:
                    return None
            elif isinstance(event, h11.EndOfMessage):
                return (content_type, body) if body else None

    async def asked(self) -> list[tuple[bytes, str]]:
        """The file and the recipe of each whole form."""

        async def read(content_type: str, body: bytes) -> tuple[bytes, str]:
            async def chunks() -> AsyncIterator[bytes]:
                yield body

            media = BytesIO()
            limits = FormLimits(20 * MEGABYTE)
            headers = {"content-type": content_type}
            form = await read_form(headers, chunks(), limits, lambda name, _: media if name == "media" else None)
            return media.getvalue(), form.fields["recipe"]

        return [await read(*form) for form in self.forms]


@asynccontextmanager
async def client_of(
    preprocessing: Preprocessing, *, head_starts: int = 2, patience_s: float = 5.0
) -> AsyncIterator[PreprocessClient]:
    server = await asyncio.start_server(preprocessing.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = PreprocessClient(url, timeout_s=5.0, head_starts=head_starts, patience_s=patience_s)
    try:
        yield client
    finally:
        await client.close()
        server.close()


@asynccontextmanager
async def arriving(client: PreprocessClient, most: int = MEGABYTE) -> AsyncIterator[tuple[Spool, HeadStart]]:
    """A file that is sent on from now on."""
    with Spool() as file:
        begun = client.head_start(file, most, "id")
        assert begun is not None
        try:
            yield file, begun
        finally:
            await begun.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what the other side of a socket sees, which has no event here; ``run`` ends it."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


@asynccontextmanager
async def gateway_before(preprocessing: Preprocessing, repository: Path, folder: Path) -> AsyncIterator[int]:
    """A gateway's port; while its process starts and ends, the loop goes on."""
    server = await asyncio.start_server(preprocessing.serve, "127.0.0.1", 0)
    settings = {"TELLTALE_PREPROCESS_URL": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    with ExitStack() as stack:
        gateway = await asyncio.to_thread(stack.enter_context, running_gateway(repository, folder, settings))
        yield gateway.port
    server.close()


async def begin(
    port: int, size: int, path: str = "/predict", name: str = "file"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Announce a form of this many bytes, and send the beginning of the file in it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {size}\r\nConnection: close\r\n"
    writer.write(
        f"{head}Content-Type: multipart/form-data; boundary=edge\r\n\r\n".encode()
        + PART.replace(b'"file"', f'"{name}"'.encode())
        + PIECES[0]
    )
    await writer.drain()
    return reader, writer


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 40.0))


def test_what_has_arrived_is_sent_on_and_the_end_is_sent_when_it_is_asked_for() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing()
        async with client_of(preprocessing) as client, arriving(client, MOST) as (file, begun):
            for number, piece in enumerate(PIECES, start=1):
                file.write(piece)
                begun.advance()
                await until(lambda whole=number * MEGABYTE: preprocessing.received > whole)  # type: ignore[misc]
            file.write(b"the last of it")
            assert preprocessing.forms == []
            assert await client.bundle(MediaSource(file, None, head_start=begun), RECIPE, "id") == BUNDLE
        assert await preprocessing.asked() == [(b"".join(PIECES) + b"the last of it", RECIPE.model_dump_json())]
        assert preprocessing.connections == 1

    run(ask)


def test_the_last_of_it_is_sent_once_it_is_whole_and_asked_for_or_not() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing()
        async with client_of(preprocessing) as client, arriving(client) as (file, begun):
            await until(lambda: preprocessing.received > 0)
            before = preprocessing.received
            file.write(b"short")
            begun.advance()
            await asyncio.sleep(0.05)
            assert preprocessing.received == before
            await begun.catch_up()
            await until(lambda: preprocessing.received == before + len(b"short"))
        assert preprocessing.forms == []

    run(ask)


def test_asked_for_while_preprocessing_does_not_take_it_in_it_comes_in_full() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing(paused=True)
        async with client_of(preprocessing, patience_s=0.5) as client, arriving(client, 4 * MOST) as (file, begun):
            file.write(b"".join(PIECES * 4))  # more than the sockets' buffers take
            begun.advance()
            await asyncio.sleep(0.2)
            asked = asyncio.create_task(client.bundle(MediaSource(file, None, head_start=begun), RECIPE, "id"))
            await asyncio.sleep(0.5)
            preprocessing.paused = False
            assert await asked == BUNDLE
        assert await preprocessing.asked() == [(b"".join(PIECES * 4), RECIPE.model_dump_json())]
        assert preprocessing.connections == 1

    run(ask)


def test_of_what_is_given_up_nothing_is_asked() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing()
        async with client_of(preprocessing) as client:
            async with arriving(client) as (file, begun):
                file.write(PIECES[0])
                begun.advance()
                await until(lambda: preprocessing.received > MEGABYTE)
            await until(lambda: preprocessing.broken_off == 1)
        assert preprocessing.forms == []

    run(ask)


def test_what_broke_before_it_was_asked_for_is_sent_anew() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing(break_first_after=MEGABYTE)
        async with client_of(preprocessing) as client, arriving(client, MOST) as (file, begun):
            file.write(b"".join(PIECES))
            begun.advance()
            await until(lambda: not begun.under_way)
            assert await client.bundle(MediaSource(file, None, head_start=begun), RECIPE, "id") == BUNDLE
        assert await preprocessing.asked() == [(b"".join(PIECES), RECIPE.model_dump_json())]
        assert preprocessing.connections == 2

    run(ask)


def test_what_comes_too_slowly_is_given_up_and_sent_when_it_is_whole() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing()
        async with client_of(preprocessing, patience_s=0.3) as client, arriving(client) as (file, begun):
            file.write(PIECES[0])
            begun.advance()
            await until(lambda: preprocessing.broken_off == 1)
            assert preprocessing.received > MEGABYTE // 2
            file.write(PIECES[1])
            begun.advance()
            assert await client.bundle(MediaSource(file, None, head_start=begun), RECIPE, "id") == BUNDLE
        assert [media for media, _ in await preprocessing.asked()] == [PIECES[0] + PIECES[1]]

    run(ask)


def test_what_was_refused_before_it_was_asked_for_is_sent_anew_and_its_connection_let_go() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing(refuse_first_after=MEGABYTE)
        async with client_of(preprocessing) as client:
            async with arriving(client, MOST) as (file, begun):
                file.write(b"".join(PIECES))
                begun.advance()
                await until(lambda: not begun.under_way)
                assert await client.bundle(MediaSource(file, None, head_start=begun), RECIPE, "id") == BUNDLE
            await until(lambda: preprocessing.open == 0)
        assert [media for media, _ in await preprocessing.asked()] == [b"".join(PIECES)]

    run(ask)


def test_what_was_refused_and_never_asked_for_is_let_go() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing(refuse_first_after=MEGABYTE)
        async with client_of(preprocessing) as client:
            async with arriving(client, MOST) as (file, begun):
                file.write(b"".join(PIECES))
                begun.advance()
                await until(lambda: not begun.under_way)
                assert preprocessing.open == 1
            await until(lambda: preprocessing.open == 0)

    run(ask)


def test_asked_for_at_the_moment_when_it_is_given_up_it_is_sent_anew() -> None:
    async def ask() -> None:
        given_up, go_on = asyncio.Event(), asyncio.Event()

        async def post(_: Framing, pieces: Pieces, _length: int) -> aiohttp.ClientResponse:
            try:
                async for _piece in pieces:
                    pass
            except TimeoutError:
                given_up.set()
                await go_on.wait()
                raise
            pytest.fail("it was finished before it was given up")

        with Spool() as file:
            begun = HeadStart(file, post, most=MOST, patience_s=0.05)
            await given_up.wait()
            finishing = asyncio.create_task(begun.finish("recipe", "{}"))
            await asyncio.sleep(0)
            go_on.set()
            assert await finishing is None
            await begun.close()

    run(ask)


# Too much, too long a field, and so little that a megabyte would have to be made up.
@pytest.mark.parametrize(("size", "text"), [(MOST + (1 << 16), "{}"), (MOST, "x" * (1 << 25)), (MOST - MEGABYTE, "{}")])
def test_what_is_longer_than_was_said_is_not_sent_so(size: int, text: str) -> None:
    async def ask() -> None:
        preprocessing = Preprocessing()
        async with client_of(preprocessing) as client, arriving(client) as (file, begun):
            file.write(bytes(size))
            assert await begun.finish("recipe", text) is None
        assert preprocessing.forms == []

    run(ask)


def test_its_length_is_said_beforehand_and_filled_up_in_the_end() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing()
        async with client_of(preprocessing) as client, arriving(client, MOST) as (file, begun):
            file.write(bytes(MOST))
            answer = await begun.finish("recipe", "x" * 60_000)
            assert answer is not None
            answer.close()
        ((_, body),) = preprocessing.forms
        assert preprocessing.announced == [len(body)]
        assert len(body) > MOST
        assert await preprocessing.asked() == [(bytes(MOST), "x" * 60_000)]

    run(ask)


def test_what_breaks_when_it_was_asked_for_is_not_asked_twice() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing(break_at_the_end=True)
        async with client_of(preprocessing) as client, arriving(client) as (file, begun):
            file.write(PIECES[0])
            with pytest.raises(PreprocessUnavailable):
                await client.bundle(MediaSource(file, None, head_start=begun), RECIPE, "id")
        assert len(preprocessing.forms) == preprocessing.connections == 1

    run(ask)


def test_asked_for_again_it_is_sent_again() -> None:
    async def ask() -> None:
        preprocessing = Preprocessing()
        async with client_of(preprocessing) as client, arriving(client) as (file, begun):
            file.write(PIECES[0])
            media = MediaSource(file, None, head_start=begun)
            for _ in range(2):
                assert await client.bundle(media, RECIPE, "id") == BUNDLE
        assert [media for media, _ in await preprocessing.asked()] == [PIECES[0]] * 2

    run(ask)


def test_only_so_many_are_sent_on_at_once_however_slowly_they_come() -> None:
    async def ask() -> None:
        async with client_of(Preprocessing(), head_starts=1) as client:
            async with arriving(client):
                with Spool() as file:
                    assert client.head_start(file, MOST, "id") is None
            async with arriving(client):
                pass

    run(ask)


def test_a_service_that_is_away_is_told_of_once_it_is_asked() -> None:
    async def ask() -> None:
        client = PreprocessClient("http://127.0.0.1:1", timeout_s=5.0, head_starts=1)
        try:
            async with arriving(client) as (file, begun):
                file.write(PIECES[0])
                begun.advance()
                await until(lambda: not begun.under_way)
                with pytest.raises(PreprocessUnavailable):
                    await client.bundle(MediaSource(file, None, head_start=begun), RECIPE, "id")
        finally:
            await client.close()

    run(ask)


def test_a_gateway_sends_a_large_upload_on_and_asks_nothing_of_one_that_it_refuses_or_whose_sender_hangs_up(
    toy_repository: Path, tmp_path: Path
) -> None:
    misspelt = b'\r\n--edge\r\nContent-Disposition: form-data; name="urll"\r\n\r\nx\r\n--edge--\r\n'

    async def ask() -> None:
        preprocessing = Preprocessing()
        async with gateway_before(preprocessing, toy_repository, tmp_path) as port:
            reader, writer = await begin(port, 2 * MEGABYTE)
            await until(lambda: preprocessing.received > MEGABYTE // 2)
            writer.write(bytes(MEGABYTE - len(PART) - len(misspelt)) + misspelt)
            answer = await reader.read()
            assert b" 400 " in answer.splitlines()[0]
            assert b"urll" in answer
            await until(lambda: preprocessing.broken_off == 1)
            writer.close()

            preprocessing.received = 0
            _, writer = await begin(port, 2 * MEGABYTE)
            await until(lambda: preprocessing.received > MEGABYTE // 2)
            writer.close()
            await until(lambda: preprocessing.broken_off == 2)
        assert preprocessing.forms == []

    run(ask)


def test_what_is_small_or_not_the_only_file_waits_until_it_is_whole(toy_repository: Path, tmp_path: Path) -> None:
    async def ask() -> None:
        preprocessing = Preprocessing()
        async with gateway_before(preprocessing, toy_repository, tmp_path) as port:
            for path, name, size in (
                ("/detect/multimodal", "video", 2 * MEGABYTE),  # others may come, and are judged one by one
                ("/predict", "fiel", 2 * MEGABYTE),  # will be refused
                ("/predict", "file", MEGABYTE - 1),
            ):
                _, writer = await begin(port, size, path, name)
                await asyncio.sleep(0.3)
                writer.close()
        assert preprocessing.received == 0

    run(ask)
