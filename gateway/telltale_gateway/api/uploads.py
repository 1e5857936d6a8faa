"""An upload as it arrives: one multipart part named ``file``, refused as soon as it is too large; or where it is.

Nothing of it stays anywhere, whatever happens.
"""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect
from telltale_asgi.forms import (
    FORM_TYPE,
    Form,
    FormLimits,
    FormTooLarge,
    MalformedForm,
    announced_bytes,
    read_form,
)

from telltale_gateway.analysis import HeadStart, MediaSource
from telltale_gateway.errors import BadParameter, BadUpload, UploadTimeout, UploadTooLarge, UrlRefused
from telltale_gateway.fetching import UrlFetcher
from telltale_gateway.services import Services
from telltale_gateway.spooling import Spool

_MAX_FILENAME = 255
_MAX_FIELDS = 4
# Of less, little is still to come once it can be sent on.
_WORTH_A_HEAD_START = 1 << 20
_URLENCODED = "application/x-www-form-urlencoded"
_HINT = "Send multipart/form-data with the media in a part named file: curl -F file=@clip.mp4 ..."
_URL_FIELD = {"type": "string", "format": "uri", "description": "where the media is, if that is enabled"}


def form_of(properties: Mapping[str, Mapping[str, Any]], *, file: str | None = None) -> dict[str, Any]:
    """How OpenAPI describes a form; where it takes one ``file``, that may be named by its URL instead.

    FastAPI would read the whole form before the endpoint could object to its size, so forms are described here and
    read below.
    """
    content: dict[str, Any] = {FORM_TYPE: {"schema": {"type": "object", "properties": dict(properties)}}}
    if file is not None:
        content[FORM_TYPE]["schema"]["required"] = [file]
        others = {name: each for name, each in properties.items() if name != file}
        by_url = {"type": "object", "properties": {"url": _URL_FIELD, **others}, "required": ["url"]}
        content[_URLENCODED] = {"schema": by_url}
    return {"requestBody": {"required": True, "content": content}}


def takes_uploads(described: Mapping[str, Any] | None) -> bool:
    """Whether a route that is described so takes forms with files, as ``form_of`` says it."""
    return FORM_TYPE in (described or {}).get("requestBody", {}).get("content", {})


def binary(description: str) -> dict[str, str]:
    """A file in a form."""
    return {"type": "string", "format": "binary", "description": description}


UPLOAD_FORM = form_of({"file": binary("video, image or sound")}, file="file")


@dataclass(frozen=True)
class Parts:
    """What an endpoint takes by form: the names of its files, of which ``most_files`` may come, and of its fields."""

    files: tuple[str, ...]
    fields: tuple[str, ...]
    most_files: int = 1


_UPLOAD = Parts(files=("file",), fields=("url",))


@dataclass(frozen=True)
class Received:
    """A form that arrived, the milliseconds that it took, and whether its file was sent on meanwhile."""

    form: Form[Spool]
    elapsed_ms: float
    head_start: HeadStart | None = None


@asynccontextmanager
async def received(request: Request, parts: Parts) -> AsyncIterator[Received]:
    """The form of a request; its temporary files are gone afterwards.

    Raises:
        UploadTooLarge: more arrived than the limit allows, or more was announced.
        UploadTimeout: it had not arrived when the deadline passed.
        BadUpload: the body is no form, or has more parts, or two of one name, or a file that nobody asked for.
        BadParameter: it has a field that nobody asked for.
    """
    started = time.perf_counter()
    settings = request.app.state.settings
    limits = FormLimits(settings.limits.upload_bytes, files=parts.most_files, fields=_MAX_FIELDS)
    async with AsyncExitStack() as stack:
        opened = _Opened(request, parts, stack)
        try:
            async with asyncio.timeout(settings.deadlines.upload_s):
                if _is_urlencoded(request):
                    form: Form[Spool] = Form({}, _fields(await request.body()))
                else:
                    form = await read_form(request.headers, opened.chunks(), limits, opened.open)
        except TimeoutError as error:
            late = f"It had not arrived after {settings.deadlines.upload_s:g} s."
            raise UploadTimeout(late, "Send it over a faster line.") from error
        except FormTooLarge as error:
            raise UploadTooLarge(limits.file_bytes) from error
        except ClientDisconnect as error:
            raise BadUpload("The connection was closed before the form was complete.", _HINT) from error
        except MalformedForm as error:
            raise BadUpload(str(error), _HINT) from error
        _require_known(form, parts)
        yield Received(form, (time.perf_counter() - started) * 1000.0, opened.head_start)


class _Opened:
    """The files of a form that arrives; where there can be one only, and a large one, it is sent on meanwhile."""

    def __init__(self, request: Request, parts: Parts, stack: AsyncExitStack) -> None:
        self._request = request
        self._parts = parts
        self._stack = stack
        self.head_start: HeadStart | None = None

    def open(self, name: str, filename: str | None) -> Spool | None:
        """A file for a part that has a name for one."""
        if filename is None:
            return None
        services: Services = self._request.app.state.services
        file = self._stack.enter_context(services.spools.opened())
        announced = announced_bytes(self._request.headers) or 0
        if announced >= _WORTH_A_HEAD_START and self._parts.most_files == 1 and name in self._parts.files:
            self.head_start = services.preprocess.head_start(file, announced, self._request.state.request_id)
            if self.head_start is not None:
                self._stack.push_async_callback(self.head_start.close)
        return file

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body; each piece of it is in the files when the next one is asked for."""
        async for chunk in self._request.stream():
            yield chunk
            if self.head_start is not None:
                self.head_start.advance()
        if self.head_start is not None:
            await self.head_start.catch_up()


def media_in(arrived: Received, name: str) -> MediaSource | None:
    """The file of a form under one name; None where there is none."""
    file = arrived.form.files.get(name)
    if file is None:
        return None
    filename = (file.filename or "")[:_MAX_FILENAME] or None
    return MediaSource(file.stream, filename, arrived.elapsed_ms, arrived.head_start)


@asynccontextmanager
async def media_of(request: Request, arrived: Received, names: tuple[str, ...]) -> AsyncIterator[MediaSource]:
    """The one file of a form, under any of these names, or what its field ``url`` leads to.

    Raises:
        BadUpload: there is neither, or both.
        UrlRefused, UrlUnreachable, UploadTooLarge, UploadTimeout: the URL cannot be fetched.
    """
    media = next((found for name in names if (found := media_in(arrived, name)) is not None), None)
    url = arrived.form.fields.get("url")
    if media is not None and url is not None:
        raise BadUpload("There are a file and a url, and one of them is to be judged.", "Send one of them.")
    if media is not None:
        yield media
    elif url is not None:
        async with _fetcher(request).fetched(url) as fetched:
            yield fetched
    else:
        raise BadUpload(f"There is no file part named {_named(names)}.", _HINT)


async def upload(request: Request) -> AsyncIterator[MediaSource]:
    """The media of a request; its temporary file is gone when the request is.

    Raises:
        UploadTooLarge, UploadTimeout, BadUpload, BadParameter: as ``received``.
        UrlRefused, UrlUnreachable: a url came instead of a file, and cannot be fetched.
    """
    async with (
        received(request, _UPLOAD) as arrived,
        media_of(request, arrived, ("file",)) as media,
    ):
        yield media


def _require_known(form: Form[Spool], parts: Parts) -> None:
    """See that a form has no part that would not be read: an answer to a misspelt wish would be one to another."""
    for name in form.files.keys() - set(parts.files):
        raise BadUpload(f"There is no file part named {_named(parts.files)}, but one named {name[:80]!r}.", _HINT)
    for name in form.fields.keys() - set(parts.fields):
        if name in parts.files:
            raise BadUpload(f"The part named {name} has no file name, so it is no file.", _HINT)
        close = difflib.get_close_matches(name, parts.fields, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise BadParameter(
            f"There is no form field named {name[:80]!r} here.",
            f"{meant}Besides files the form takes {', '.join(parts.fields)}; fps, max_frames and detectors belong to "
            "the query.",
        )


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1] if len(names) > 1 else names[0]


def _is_urlencoded(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == _URLENCODED


def _fields(body: bytes) -> dict[str, str]:
    """The fields of a small form without files."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise MalformedForm(f"The form cannot be read, or has more fields than {_MAX_FIELDS}.") from error
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise MalformedForm("The form has two fields of one name.")
    return fields


def _fetcher(request: Request) -> UrlFetcher:
    services: Services = request.app.state.services
    if services.fetcher is None:
        raise UrlRefused("URLs are not fetched here.", _HINT)
    return services.fetcher


Upload = Annotated[MediaSource, Depends(upload)]
