"""The golden check: a real inference through the server, on inputs whose scores the card gives."""

from __future__ import annotations

import numpy as np
from telltale_contracts import DetectorManifest

from telltale_gateway.rollout.catalog import Release
from telltale_gateway.serving import Backend, ModelCall, infer_in_batches


class GoldenMismatch(Exception):
    """The server answers, but not with the scores that the version's card gives."""


class GoldenProbe:
    """Asks a served version its golden inputs."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    async def __call__(
        self, backend: Backend, manifest: DetectorManifest, release: Release, items: int | None = None
    ) -> None:
        """Compare the first ``items`` golden scores, or all.

        Raises:
            BackendError: the server gave no scores.
            GoldenMismatch: it gave others.
        """
        card = release.card
        call = ModelCall(manifest.name, card.version, manifest.tensors, self._timeout_s)
        scores = await infer_in_batches(backend, call, release.golden[:items], manifest.max_batch)
        difference = float(np.max(np.abs(scores - np.asarray(card.golden.scores[:items], dtype=np.float32))))
        if difference > card.golden.tolerance:
            raise GoldenMismatch(
                f"a golden score differs from the card's by {difference:.4f}, {card.golden.tolerance:g} is allowed"
            )
