"""RFC 9457 problem details, as every service of Telltale answers an error."""

from __future__ import annotations

from typing import ClassVar, Self

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

    @classmethod
    def of(cls, *, code: str, title: str, status: int, detail: str, hint: str, request_id: str | None) -> Self:
        """A problem of a code, whose ``type`` follows from it."""
        return cls(
            type=f"/errors/{code.replace('_', '-')}",
            title=title,
            status=status,
            detail=detail,
            code=code,
            hint=hint,
            request_id=request_id,
        )
