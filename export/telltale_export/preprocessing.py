"""Media as serving sees them: asked of a running preprocess-service."""

from __future__ import annotations

from pathlib import Path

import httpx
from telltale_contracts import TensorBundle

from telltale_export.served.http import post_medium

SERVICE_VARIABLE = "TELLTALE_PREPROCESS_URL"


def fetch_bundle(client: httpx.Client, path: Path, recipe: str) -> TensorBundle:
    """What preprocessing makes of one file.

    Args:
        client: with the service's URL as its base.
        path: the medium.
        recipe: ``Recipe`` as JSON.

    Raises:
        Refused: the service calls it too large, no media, or damaged, or could not answer for it.
        DataError: the service cannot be reached.
    """
    hint = f"Start the preprocess-service (python -m telltale_preprocess) and name it in {SERVICE_VARIABLE}."
    return TensorBundle.from_bytes(
        post_medium(client, "/bundle", path, field="media", form={"recipe": recipe}, hint=hint)
    )
