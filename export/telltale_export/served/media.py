"""Labelled media as a detector is given them, and what its answers say of each file: as the gateway does it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import (
    Calibration,
    ClipSpec,
    DetectorManifest,
    Medium,
    Recipe,
    Sampling,
    SoundSpec,
    TensorBundle,
)

from telltale_export.calibration import apply_calibration, logit
from telltale_export.data import MediaItem, Modality
from telltale_export.packaging import Scorer
from telltale_export.preprocessing import fetch_bundle
from telltale_export.served.http import Refused

_TIMEOUT_S = 300.0
_MEDIA: dict[Modality, Medium] = {"audio": "speech", "image": "image", "video": "video"}


@dataclass(frozen=True)
class SeenMedium:
    """One medium as a detector is given it: its items [N, ...], and the face track [N] that each belongs to."""

    item: MediaItem
    medium: Medium
    inputs: NDArray[np.generic]
    track: NDArray[np.int32]


@dataclass(frozen=True)
class ScoredMedium:
    """One medium: the raw P(fake) [N] of its items, and the face track [N] that each belongs to."""

    item: MediaItem
    medium: Medium
    raw: NDArray[np.float32]
    track: NDArray[np.int32]


def media_of(manifest: DetectorManifest) -> tuple[Medium, ...]:
    """The media that a detector of this input looks at."""
    if isinstance(manifest.input, SoundSpec):
        return ("speech",)
    return ("video",) if isinstance(manifest.input, ClipSpec) else ("image", "video")


@dataclass(frozen=True)
class Unseen:
    """One medium that a detector has nothing to say of, and why; ``code`` is the same for all such media."""

    item: MediaItem
    code: str
    reason: str


class Viewer:
    """Shows media to a detector: what preprocessing makes of them, as far as it counts."""

    def __init__(self, manifest: DetectorManifest, service: str, sampling: Sampling | None = None) -> None:
        """``service``: URL of a running preprocess-service; ``sampling``: the manifest's own when not given."""
        recipe = Recipe(inputs=(manifest.input,), sampling=sampling or manifest.sampling or Sampling())
        self._manifest = manifest
        self._recipe = recipe.model_dump_json()
        self._client = httpx.Client(base_url=service, timeout=_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def see(self, item: MediaItem, path: Path | None = None) -> SeenMedium | Unseen:
        """What the detector is given of one medium; ``path`` is another file that stands for it.

        Raises:
            DataError: the service does not answer.
        """
        medium = _MEDIA[item.modality]
        if medium not in media_of(self._manifest):
            return Unseen(item, "other_medium", f"{self._manifest.name} does not look at {item.modality}")
        try:
            bundle = fetch_bundle(self._client, path or item.path, self._recipe)
        except Refused as refused:
            return Unseen(item, refused.code, str(refused))
        rows = counted_rows(bundle, self._manifest)
        if not len(rows):
            missing = next(iter(bundle.metadata.missing), None)
            return Unseen(
                item, missing.reason if missing else "nothing", missing.detail if missing else "nothing found"
            )
        key = self._manifest.input.key()
        return SeenMedium(item, medium, bundle.tensors[key][rows], bundle.track[key][rows])


def raw_scores(viewer: Viewer, score: Scorer, item: MediaItem, path: Path | None = None) -> ScoredMedium | Unseen:
    """Raw P(fake) of each item of one medium; arguments as of ``Viewer.see``.

    Raises:
        ExportError: a service does not answer.
    """
    seen = viewer.see(item, path)
    if isinstance(seen, Unseen):
        return seen
    return ScoredMedium(item, seen.medium, score(seen.inputs), seen.track)


def see_media(
    manifest: DetectorManifest, items: Sequence[MediaItem], service: str, sampling: Sampling | None = None
) -> Iterator[SeenMedium]:
    """What a detector is given of labelled media; those that it does not look at, or finds nothing in, are left out.

    Args:
        manifest: the detector's.
        items: the media.
        service: URL of a running preprocess-service.
        sampling: which frames of a video are looked at; those that the manifest names when not given.

    Raises:
        DataError: the service does not answer.
    """
    with Viewer(manifest, service, sampling) as viewer:
        for item in items:
            seen = viewer.see(item)
            if isinstance(seen, SeenMedium):
                yield seen


def score_media(seen: Iterable[SeenMedium], score: Scorer) -> list[ScoredMedium]:
    """Ask a detector, wherever it runs, about everything that was seen."""
    return [ScoredMedium(each.item, each.medium, score(each.inputs), each.track) for each in seen]


def counted_rows(bundle: TensorBundle, manifest: DetectorManifest) -> NDArray[np.intp]:
    """Which items of a bundle count, as the gateway counts them: of a sound only where somebody speaks."""
    key = manifest.input.key()
    if key not in bundle.tensors:
        return np.array([], np.intp)
    if not isinstance(manifest.input, SoundSpec):
        return np.arange(len(bundle.tensors[key]))
    segments = bundle.metadata.segments[key]
    speech = np.array([segments[index].speech for index in bundle.frame[key]])
    return np.flatnonzero(speech >= min(manifest.aggregation.min_speech, speech.max(initial=0.0)))


def file_score(scored: ScoredMedium, manifest: DetectorManifest, calibration: Calibration) -> float:
    """Calibrated P(fake) of one medium: over the items of each track, then the highest track, as the gateway does."""
    rule = manifest.aggregation
    odds = logit(apply_calibration(calibration, scored.raw.astype(np.float64)))
    tracks = []
    for track in np.unique(scored.track):
        of_track = np.sort(odds[scored.track == track])[::-1]
        if rule.items == "top_mean_log_odds":
            of_track = of_track[: max(1, math.ceil(rule.top_share * len(of_track)))]
        tracks.append(of_track.mean())
    return float(1.0 / (1.0 + np.exp(-max(tracks))))
