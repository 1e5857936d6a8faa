"""Media as serving sees them: asked of a running preprocess-service."""

from __future__ import annotations

from pathlib import Path

import httpx
from telltale_contracts import TensorBundle

from telltale_export.errors import DataError

SERVICE_VARIABLE = "TELLTALE_PREPROCESS_URL"
_UNFIT = (413, 415, 422)


def fetch_bundle(client: httpx.Client, path: Path, recipe: str) -> TensorBundle | None:
    """What preprocessing makes of one file; none of a file that it calls too large, no media, or damaged.

    Args:
        client: with the service's URL as its base.
        path: the medium.
        recipe: ``Recipe`` as JSON.

    Raises:
        DataError: the service does not answer, or answers otherwise.
    """
    try:
        with path.open("rb") as stream:
            answer = client.post("/bundle", files={"media": (path.name, stream)}, data={"recipe": recipe})
    except httpx.TransportError as error:
        raise DataError(
            f"The preprocess-service at {client.base_url} does not answer: {error}.",
            f"Start it (python -m telltale_preprocess) and name it in {SERVICE_VARIABLE}.",
        ) from error
    if answer.status_code in _UNFIT:
        return None
    if answer.status_code != httpx.codes.OK:
        raise DataError(f"{path}: the preprocess-service answered {answer.status_code}.", answer.text[:500])
    return TensorBundle.from_bytes(answer.content)
