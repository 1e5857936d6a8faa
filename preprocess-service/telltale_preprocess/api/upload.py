"""Read a form as it arrives: the media to a nameless file, what is wanted of it to memory."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from telltale_preprocess.errors import BadUpload, UploadTooLarge

_MAX_FIELD_BYTES = 64_000
_MAX_PARTS = 8
_FORM_SLACK = 100_000


class BundleForm:
    """The two parts of one request: ``media``, written to the file given, and a field that says what is wanted."""

    def __init__(
        self,
        content_type: str,
        file: BinaryIO,
        max_bytes: int,
        *,
        field: str = "recipe",
        max_field_bytes: int = _MAX_FIELD_BYTES,
    ) -> None:
        """Prepare to read a body of this content type.

        Raises:
            BadUpload: it is not multipart/form-data with a boundary.
        """
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise BadUpload(
                f"The content type is {content_type or 'not given'}, not multipart/form-data with a boundary."
            )
        self._file = file
        self._field = field
        self._max_field_bytes = max_field_bytes
        self._max_bytes = max_bytes
        self._header_name = b""
        self._header_value = b""
        self._part = ""
        self._parts = 0
        self._ended = False
        self._media_bytes = 0
        self._fields: dict[str, bytearray] = {}
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._begin,
                "on_header_begin": self._header_begin,
                "on_header_field": self._header_field_data,
                "on_header_value": self._header_value_data,
                "on_header_end": self._header_end,
                "on_part_data": self._data,
                "on_end": self._end,
            },
        )

    async def read(self, chunks: AsyncIterable[bytes], announced: int | None) -> bytes:
        """Read the whole body; the bytes of the field. The media is in the file then.

        Raises:
            UploadTooLarge: the media is, or is announced to be, larger than allowed; reading stops there.
            BadUpload: the form is malformed or lacks a part.
        """
        if announced is not None and announced > self._max_bytes + self._max_field_bytes + _FORM_SLACK:
            raise self._too_large(f"{announced / 1e6:.1f} MB are announced")
        try:
            async for chunk in chunks:
                self._parser.write(chunk)
        except FormParserError as error:
            raise BadUpload(f"The multipart body is malformed: {error}") from error
        if not self._ended:
            raise BadUpload("The multipart body ends before its closing boundary.")
        for name in ("media", self._field):
            if name not in self._fields:
                raise BadUpload(f"The form has no part '{name}'.")
        self._file.flush()
        return bytes(self._fields[self._field])

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise BadUpload(f"The form has more than {_MAX_PARTS} parts.")
        self._part = ""

    def _header_begin(self) -> None:
        self._header_name, self._header_value = b"", b""

    def _header_field_data(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_data(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_value)
            self._part = options.get(b"name", b"").decode("utf-8", "replace")
            self._fields[self._part] = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "media":
            self._media_bytes += end - start
            if self._media_bytes > self._max_bytes:
                raise self._too_large(f"More than {self._max_bytes / 1e6:.1f} MB arrived")
            self._file.write(memoryview(data)[start:end])
        elif self._part in self._fields:
            field = self._fields[self._part]
            field += data[start:end]
            if len(field) > self._max_field_bytes:
                raise BadUpload(f"The field '{self._part}' is longer than {self._max_field_bytes} bytes.")

    def _end(self) -> None:
        self._ended = True

    def _too_large(self, what: str) -> UploadTooLarge:
        return UploadTooLarge(f"{what}; at most {self._max_bytes / 1e6:.0f} MB are allowed.")
