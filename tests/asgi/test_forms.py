"""Forms as they arrive: what is read of them, and all that is wrong with some."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable

import pytest
from starlette.requests import ClientDisconnect
from telltale_asgi.forms import Form, FormLimits, FormTooLarge, MalformedForm, read_form

LIMITS = FormLimits(file_bytes=1000, files=2, fields=2, field_bytes=100)
TYPE = "multipart/form-data; boundary=b"
END = b"--b--\r\n"


def part(disposition: bytes, content: bytes = b"x", more: bytes = b"") -> bytes:
    return b"--b\r\nContent-Disposition: form-data" + disposition + b"\r\n" + more + b"\r\n" + content + b"\r\n"


FILE = part(b'; name="file"; filename="clip.mp4"', b"the media")
MODEL = part(b'; name="model"', "é".encode())


async def _arriving(pieces: Iterable[bytes], breaks_off: bool) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if breaks_off:
        raise ClientDisconnect


def read(*pieces: bytes, content_type: str = TYPE, announced: str | None = None, breaks_off: bool = False) -> Form:
    headers = {"content-type": content_type} | ({} if announced is None else {"content-length": announced})
    return asyncio.run(
        read_form(
            headers,
            _arriving(pieces, breaks_off),
            LIMITS,
            lambda _, filename: None if filename is None else io.BytesIO(),
        )
    )


def content(form: Form, name: str) -> bytes:
    stream = form.files[name].stream
    stream.seek(0)
    return stream.read()


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_form_is_read_however_it_is_cut(size: int) -> None:
    body = FILE + MODEL + END
    form = read(*(body[start : start + size] for start in range(0, len(body), size)))
    assert content(form, "file") == b"the media"
    assert (form.files["file"].filename, form.files["file"].size) == ("clip.mp4", 9)
    assert form.fields == {"model": "é"}


def test_what_comes_after_the_end_is_passed_over() -> None:
    assert read(FILE + END, b"and so on").files.keys() == {"file"}


@pytest.mark.parametrize("charset", ["utf-7", "idna", "undefined", "punycode", "unicode_escape", "zlib_codec", "\x00"])
def test_a_form_is_utf_8_whatever_it_says_of_itself(charset: str) -> None:
    form = read(part(b'; name="file"; filename="+2AA-\\ud800\xff"') + END, content_type=f"{TYPE}; charset={charset}")
    assert form.files["file"].filename == "+2AA-\\ud800�"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"no form at all", "malformed"),
        (b"", "ends before"),
        (FILE, "ends before"),
        (FILE + b"--b-", "ends before"),
        (FILE + FILE + END, "two parts named 'file'"),
        (MODEL + MODEL + END, "two parts named 'model'"),
        (FILE + part(b'; name="model"; filename="a"') + part(b'; name="x"; filename="b"') + END, "more files than"),
        (b"".join(part(b'; name="f%d"' % i) for i in range(3)), "more fields than"),
        (part(b'; name="model"', b"x" * 101) + END, "longer than 100 bytes"),
        (part(b'; filename="a"') + END, "what it is called"),
        (b"--b\r\nX-A: b\r\n\r\nx\r\n" + END, "what it is called"),
        (part(b'; name="a"', more=b'Content-Disposition: form-data; name="b"\r\n') + END, "what it is called"),
        (part(b'; name="a"', more=b"X-A: b\r\n" * 100) + END, "malformed"),
        (part(b'; name="a"', more=b"X-A: " + b"b" * 10_000 + b"\r\n") + END, "malformed"),
        (b"p" * 5000 + b"\r\n" + FILE + END, "malformed"),
    ],
)
def test_what_is_no_form_of_ours(body: bytes, why: str) -> None:
    with pytest.raises(MalformedForm, match=why):
        read(body)


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=b", "multipart/form-dataX; boundary=b",
     "multipart/form-data; boundary=" + "b" * 5000, 'multipart/form-data; boundary=""'],
)  # fmt: skip
def test_what_says_that_it_is_no_form(content_type: str) -> None:
    with pytest.raises(MalformedForm):
        read(FILE + END, content_type=content_type)


def test_reading_stops_at_the_limit_announced_or_not() -> None:
    def endless() -> Iterable[bytes]:
        yield part(b'; name="file"; filename="a"')[:-3]
        while True:
            yield b"x" * 600

    with pytest.raises(FormTooLarge, match="arrived"):
        read(*(piece for piece, _ in zip(endless(), range(1000), strict=False)))
    with pytest.raises(FormTooLarge, match="announced"):
        read(announced="999999999999999999999")
    with pytest.raises(FormTooLarge, match="arrived"):
        read(FILE + END, *[b"e" * 1000] * 100)


def test_a_connection_that_breaks_off_is_no_fault_of_ours() -> None:
    with pytest.raises(MalformedForm, match="closed"):
        read(FILE, breaks_off=True)
