"""A multipart form (RFC 7578) as it arrives: files to streams of the caller's, fields to memory, limits as it goes.

Names and fields are UTF-8, whatever the form says of itself: a character set of the sender's choice is code of his.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

FORM_TYPE = "multipart/form-data"
_FRAMING = 65_536


class Sink(Protocol):
    """What takes the content of a file as it comes; the pieces are parts of bytes, which do not change."""

    def write(self, piece: memoryview, /) -> int:
        """Append a piece; how long it is."""

    def flush(self) -> None:
        """The file is whole."""


S = TypeVar("S", bound=Sink)
Open = Callable[[str, str | None], S | None]
"""Whither the content of a part of this name and file name goes; None for a field, which is kept in memory."""


class MalformedForm(Exception):
    """The body is no such form, ends too early, or has other parts than it may; the message says which."""


class FormBrokenOff(MalformedForm):
    """The connection was closed before the form was complete."""


class FormTooLarge(Exception):
    """More arrived, or was announced, than is allowed; the message says which, in megabytes."""


@dataclass(frozen=True)
class FormLimits:
    """``file_bytes``: of one file, and of all together; ``field_bytes``: of one field."""

    file_bytes: int
    files: int = 1
    fields: int = 4
    field_bytes: int = 64_000

    @property
    def body_bytes(self) -> int:
        """Of everything, boundaries and headers included."""
        return self.file_bytes + self.fields * self.field_bytes + _FRAMING


@dataclass(frozen=True)
class FormFile(Generic[S]):
    """A part that went to a stream; ``filename`` is what its sender called it, and never used to open anything."""

    filename: str | None
    stream: S
    size: int


@dataclass(frozen=True)
class Form(Generic[S]):
    """The parts by their names, which are all different."""

    files: Mapping[str, FormFile[S]]
    fields: Mapping[str, str]


def announced_bytes(headers: Mapping[str, str]) -> int | None:
    """How long the body is to be; None where its sender does not say."""
    announced = headers.get("content-length", "")
    return int(announced) if announced.isascii() and announced.isdigit() else None


async def read_form(
    headers: Mapping[str, str], chunks: AsyncIterable[bytes], limits: FormLimits, opening: Open[S]
) -> Form[S]:
    """Read the whole body of a request; reading stops where anything is wrong with it.

    Raises:
        MalformedForm: it is not multipart/form-data, ends early, or has too many parts, or two of one name;
            FormBrokenOff where its sender hung up.
        FormTooLarge: a file or the whole is larger than allowed, or announced to be.
    """
    reader = _Reader(headers.get("content-type", ""), limits, opening)
    announced = announced_bytes(headers)
    if announced is not None and announced > limits.body_bytes:
        raise FormTooLarge(f"{announced / 1e6:.1f} MB are announced")
    try:
        async for chunk in chunks:
            reader.feed(chunk)
    except ClientDisconnect as error:
        raise FormBrokenOff("The connection was closed before the form was complete.") from error
    return reader.form()


@dataclass
class _Part(Generic[S]):
    name: str
    filename: str | None
    stream: S | None
    size: int = 0
    text: bytearray = field(default_factory=bytearray)


class _Reader(Generic[S]):
    """Takes the body piece by piece."""

    def __init__(self, content_type: str, limits: FormLimits, opening: Open[S]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != FORM_TYPE.encode() or not boundary:
            said = content_type[:100] or "not given"
            raise MalformedForm(f"The content type is {said}, not {FORM_TYPE} with a boundary.")
        self._limits = limits
        self._opening = opening
        self._seen = 0
        self._ended = False
        self._parts: dict[str, _Part[S]] = {}
        self._part: _Part[S] | None = None
        self._header_name, self._header_value = b"", b""
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_begin": self._header_begin,
                    "on_header_field": self._header_field_data,
                    "on_header_value": self._header_value_data,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise MalformedForm(f"The boundary of the form cannot be one: {error}.") from error

    def feed(self, chunk: bytes) -> None:
        self._seen += len(chunk)
        if self._seen > self._limits.body_bytes:
            raise self._too_large()
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedForm(f"The form is malformed: {error}.") from error

    def form(self) -> Form[S]:
        if not self._ended:
            raise MalformedForm("The form ends before its closing boundary.")
        files, fields = {}, {}
        for name, part in self._parts.items():
            if part.stream is None:
                fields[name] = part.text.decode("utf-8", "replace")
            else:
                part.stream.flush()
                files[name] = FormFile(part.filename, part.stream, part.size)
        return Form(files, fields)

    def _begin(self) -> None:
        self._part = None

    def _header_begin(self) -> None:
        self._header_name, self._header_value = b"", b""

    def _header_field_data(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_data(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        if self._header_name.lower() != b"content-disposition":
            return
        _, options = parse_options_header(self._header_value)
        if b"name" not in options or self._part is not None:
            raise MalformedForm("A part of the form does not say what it is called.")
        name = options[b"name"].decode("utf-8", "replace")
        filename = options[b"filename"].decode("utf-8", "replace") if b"filename" in options else None
        if name in self._parts:
            raise MalformedForm(f"The form has two parts named {name[:40]!r}.")
        self._part = _Part(name, filename, self._opening(name, filename))
        self._parts[name] = self._part
        self._count()

    def _headers_finished(self) -> None:
        if self._part is None:
            raise MalformedForm("A part of the form does not say what it is called.")

    def _count(self) -> None:
        files = sum(part.stream is not None for part in self._parts.values())
        for what, count, most in (
            ("files", files, self._limits.files),
            ("fields", len(self._parts) - files, self._limits.fields),
        ):
            if count > most:
                raise MalformedForm(f"The form has more {what} than the {most} that it may have.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part is None:
            raise MalformedForm("The form has content before any part.")
        part.size += end - start
        if part.stream is None:
            part.text += data[start:end]
            if part.size > self._limits.field_bytes:
                most = self._limits.field_bytes
                raise MalformedForm(f"The part {part.name[:40]!r} has no filename, and is longer than {most} bytes.")
        elif part.size > self._limits.file_bytes:
            raise self._too_large()
        else:
            part.stream.write(memoryview(data)[start:end])

    def _end(self) -> None:
        self._ended = True

    def _too_large(self) -> FormTooLarge:
        return FormTooLarge(f"More than {self._limits.file_bytes / 1e6:.1f} MB arrived")
