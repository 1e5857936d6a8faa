"""RFC 9457 problem details, as every service of Telltale answers an error."""

from __future__ import annotations

from typing import ClassVar

from telltale_contracts._base import Contract


class Problem(Contract):
    """An error: what happened (``title``, ``detail``), what to do about it (``hint``), and a stable ``code``."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    request_id: str | None = None

    MEDIA_TYPE: ClassVar[str] = "application/problem+json"
