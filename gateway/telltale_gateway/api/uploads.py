"""An upload as it arrives: one multipart part named ``file``, refused as soon as it is too large; or where it is.

What is larger than a megabyte waits in an unlinked temporary file, so nothing stays on disk, whatever happens.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.types import Message

from telltale_gateway.analysis import MediaSource
from telltale_gateway.errors import BadUpload, UploadTimeout, UploadTooLarge, UrlRefused
from telltale_gateway.fetching import UrlFetcher
from telltale_gateway.services import Services

_FRAMING = 65_536
_MAX_FILENAME = 255
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_HINT = "Send multipart/form-data with the media in a part named file: curl -F file=@clip.mp4 ..."

# FastAPI would read the whole form before the endpoint could object to its size, so the form is described here and
# read below.
UPLOAD_FORM: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "video, image or sound"}
                    },
                }
            },
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["url"],
                    "properties": {
                        "url": {"type": "string", "format": "uri", "description": "where it is, if that is enabled"}
                    },
                }
            },
        },
    }
}


@asynccontextmanager
async def received(request: Request, *, files: int = 1, fields: int = 4) -> AsyncIterator[tuple[FormData, float]]:
    """The form of a request and the milliseconds that it took; its temporary files are gone afterwards.

    Raises:
        UploadTooLarge: more arrived than the limit allows, or more was announced.
        UploadTimeout: it had not arrived when the deadline passed.
        BadUpload: the body is not multipart, or has more parts.
    """
    started = time.perf_counter()
    limit = request.app.state.settings.limits.upload_bytes
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit + _FRAMING:
        raise UploadTooLarge(limit)
    if not request.headers.get("content-type", "").lower().startswith(_FORMS):
        raise BadUpload("The body is not multipart/form-data.", _HINT)
    limited = Request(request.scope, _Limited(request, limit + _FRAMING))
    deadline = request.app.state.settings.deadlines.upload_s
    try:
        async with asyncio.timeout(deadline):
            form = await limited.form(max_files=files, max_fields=fields)
    except TimeoutError as error:
        raise UploadTimeout(f"It had not arrived after {deadline:g} s.", "Send it over a faster line.") from error
    except ClientDisconnect as error:
        raise BadUpload("The connection was closed before the upload was complete.", _HINT) from error
    except (MultiPartException, HTTPException) as error:
        reason = error.message if isinstance(error, MultiPartException) else error.detail
        raise BadUpload(f"The multipart body cannot be read: {reason}", _HINT) from error
    try:
        yield form, (time.perf_counter() - started) * 1000.0
    finally:
        await form.close()


def media_in(request: Request, form: FormData, name: str, elapsed_ms: float) -> MediaSource | None:
    """The file of a form under one name, which may hold as much as the whole form; None where there is none.

    Raises:
        UploadTooLarge: it is larger than the limit.
    """
    file = form.get(name)
    if not isinstance(file, UploadFile):
        return None
    limit = request.app.state.settings.limits.upload_bytes
    if (file.size or 0) > limit:
        raise UploadTooLarge(limit)
    return MediaSource(file.file, (file.filename or "")[:_MAX_FILENAME] or None, elapsed_ms)


async def upload(request: Request) -> AsyncIterator[MediaSource]:
    """The media of a request; its temporary file is gone when the request is.

    Raises:
        UploadTooLarge, UploadTimeout: as ``received``.
        BadUpload: there is no part named file, or more than one, or the body is not multipart.
        UrlRefused, UrlUnreachable: a url came instead of a file, and cannot be fetched.
    """
    async with received(request) as (form, elapsed_ms):
        url = form.get("url")
        if isinstance(url, str) and form.get("file") is None:
            async with _fetcher(request).fetched(url) as fetched:
                yield fetched
            return
        media = media_in(request, form, "file", elapsed_ms)
        if media is None:
            raise BadUpload("There is no file part named file.", _HINT)
        yield media


def _fetcher(request: Request) -> UrlFetcher:
    services: Services = request.app.state.services
    if services.fetcher is None:
        raise UrlRefused("URLs are not fetched here.", _HINT)
    return services.fetcher


class _Limited:
    """An ASGI receive that counts."""

    def __init__(self, request: Request, limit: int) -> None:
        self._receive = request.receive
        self._limit = limit
        self._seen = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit:
            raise UploadTooLarge(self._limit - _FRAMING)
        return message


Upload = Annotated[MediaSource, Depends(upload)]
