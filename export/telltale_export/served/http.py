"""Post a medium to one of the house's services; waits when it is told to come back, and keeps what a refusal says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import httpx
from pydantic import ValidationError
from telltale_contracts import Problem

from telltale_export.errors import DataError, ExportError

_TRIES = 6
_LONGEST_WAIT_S = 30.0


class Refused(ExportError):
    """A service answered for one medium, and not with a result; ``code`` is stable, the message is its reason."""

    def __init__(self, status: int, code: str, reason: str, hint: str) -> None:
        super().__init__(reason, hint)
        self.status = status
        self.code = code

    @property
    def unfit(self) -> bool:
        """Whether the medium itself is why: too large, no media, damaged, or nothing in it to look at."""
        return self.status in (413, 415, 422)


def post_medium(
    client: httpx.Client,
    where: str,
    path: Path,
    *,
    field: str,
    form: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    hint: str,
) -> bytes:
    """The body of the answer to one medium.

    Args:
        client: with the service's URL as its base.
        where: the path of the call.
        path: the medium.
        field: what the multipart part is called.
        form: further fields.
        query: parameters of the URL.
        hint: what to do when the service does not answer.

    Raises:
        Refused: the service refused this medium, or could not answer for it even when asked again.
        DataError: the service cannot be reached, or refused how it was asked.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            with path.open("rb") as stream:
                answer = client.post(where, files={field: (path.name, stream)}, data=form, params=query)
        except httpx.TransportError as error:
            raise DataError(f"{client.base_url} does not answer: {error}.", hint) from error
        if answer.status_code == httpx.codes.OK:
            return answer.content
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or attempt == _TRIES:
            break
        time.sleep(min(float(answer.headers.get("Retry-After", 1)), _LONGEST_WAIT_S))
    refused = _refusal(answer)
    if refused.status in (400, 401, 403, 404):
        raise DataError(f"{client.base_url}{where.lstrip('/')} answered {refused.status}: {refused}", refused.hint)
    raise refused


def _refusal(answer: httpx.Response) -> Refused:
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        return Refused(answer.status_code, f"http_{answer.status_code}", answer.text.strip()[:300], "See its log.")
    return Refused(answer.status_code, problem.code, problem.detail, problem.hint)
