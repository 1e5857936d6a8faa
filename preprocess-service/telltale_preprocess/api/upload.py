"""Read a form as it arrives: the media to a nameless file, what is wanted of it to memory."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from typing import BinaryIO

from telltale_asgi.forms import FormBrokenOff, FormLimits, FormTooLarge, MalformedForm, read_form

from telltale_preprocess.errors import BadUpload, Cancelled, UploadTooLarge

_MEDIA = "media"
_MAX_FIELDS = 2
_FIELD_BYTES = 64_000


async def read_media(
    headers: Mapping[str, str],
    chunks: AsyncIterable[bytes],
    file: BinaryIO,
    max_bytes: int,
    *,
    field: str,
    field_bytes: int = _FIELD_BYTES,
) -> str:
    """Read a body with the parts ``media``, which is in the file then, and ``field``, of which this is the text.

    Raises:
        UploadTooLarge: the media is, or is announced to be, larger than allowed; reading stops there.
        BadUpload: the form is malformed or lacks a part.
        Cancelled: whoever sent it hung up, as a gateway does that sends an upload on while it arrives.
    """
    limits = FormLimits(max_bytes, fields=_MAX_FIELDS, field_bytes=field_bytes)
    try:
        form = await read_form(headers, chunks, limits, lambda name, _: file if name == _MEDIA else None)
    except FormTooLarge as error:
        raise UploadTooLarge(f"{error}; at most {max_bytes / 1e6:.0f} MB are allowed.") from error
    except FormBrokenOff as error:
        raise Cancelled(str(error)) from error
    except MalformedForm as error:
        raise BadUpload(str(error)) from error
    for name, there in ((_MEDIA, form.files), (field, form.fields)):
        if name not in there:
            raise BadUpload(f"The form has no part '{name}'.")
    return form.fields[field]
