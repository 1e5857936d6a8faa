"""Ask a running gateway: which detectors are live, and what /predict says of a medium."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import httpx
from pydantic import BaseModel, ConfigDict
from telltale_contracts import DetectorManifest, Forgery, VersionCard

from telltale_export.errors import DataError
from telltale_export.served.http import post_medium

_TIMEOUT_S = 300.0
KEY_VARIABLE = "TELLTALE_API_KEY"
_HINT = (
    f"Start it (python -m telltale_local serve), give its URL with --url, and where it asks for a key {KEY_VARIABLE}."
)


class _Part(BaseModel):
    # The gateway's answers have more than is read here.
    model_config = ConfigDict(extra="ignore", frozen=True)


class DetectorRow(_Part):
    """One detector in a verdict."""

    name: str
    version: int
    status: Literal["scored", "not_applicable", "failed"]
    score: float | None = None
    reason: str | None = None


class Verdict(_Part):
    """The part of a verdict that an evaluation needs."""

    label: Literal["fake", "real", "uncertain"]
    score: float
    threshold: float
    forgeries: dict[Forgery, float]
    detectors: tuple[DetectorRow, ...]


class LiveDetector(_Part):
    """One detector of the gateway, and the card of the version that answers."""

    name: str
    live: int | None
    ready: bool
    reason: str | None = None
    manifest: DetectorManifest
    cards: dict[int, VersionCard]

    @property
    def card(self) -> VersionCard:
        """The live version's.

        Raises:
            DataError: no version is live.
        """
        if self.live is None or not self.ready or self.live not in self.cards:
            raise DataError(f"{self.name} cannot answer: {self.reason or 'no version is live'}.", "See GET /health.")
        return self.cards[self.live]


class Gateway:
    """A gateway at a URL; its calls may be made from several threads."""

    def __init__(self, url: str, key: str | None = None) -> None:
        """``key``: where the gateway asks for one."""
        headers = {"X-API-Key": key} if key else {}
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_S, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def detectors(self) -> dict[str, LiveDetector]:
        """Every detector by its name.

        Raises:
            DataError: the gateway does not answer.
        """
        try:
            answer = self._client.get("/models")
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise DataError(f"The gateway at {self._client.base_url} does not answer: {error}.", _HINT) from error
        found = [LiveDetector.model_validate(each) for each in answer.json()]
        return {detector.name: detector for detector in found}

    def predict(self, path: Path, detector: str | None = None) -> Verdict:
        """What /predict says of a medium; by one detector alone when named.

        Raises:
            Refused: it has no verdict for this medium; the message says why.
            DataError: it does not answer.
        """
        query: Mapping[str, str] = {} if detector is None else {"detectors": detector}
        return Verdict.model_validate_json(
            post_medium(self._client, "/predict", path, field="file", query=query, hint=_HINT)
        )
