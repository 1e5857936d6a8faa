"""What a converted detector is worth on labelled media: through preprocessing, as an upload would go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import httpx
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import (
    Calibration,
    ClipSpec,
    DetectorManifest,
    Measurement,
    Medium,
    Recipe,
    Sampling,
    SoundSpec,
    TensorBundle,
)

from telltale_export.calibration import apply_platt, fit_platt, logit
from telltale_export.data import MediaItem, Modality, Shares, split_by_group
from telltale_export.errors import DataError
from telltale_export.evaluation import ScoredSet, Terms, measure
from telltale_export.packaging import Scorer
from telltale_export.preprocessing import fetch_bundle

_TIMEOUT_S = 300.0
_MEDIA: dict[Modality, Medium] = {"audio": "speech", "image": "image", "video": "video"}
# Nothing here was trained on any of it: what is not needed to calibrate is for measuring.
_SHARES = Shares(training=0.01, calibration=0.33, test=0.66)


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
    recipe = Recipe(inputs=(manifest.input,), sampling=sampling or manifest.sampling or Sampling()).model_dump_json()
    key = manifest.input.key()
    with httpx.Client(base_url=service, timeout=_TIMEOUT_S) as client:
        for item in items:
            medium = _MEDIA[item.modality]
            bundle = fetch_bundle(client, item.path, recipe) if medium in media_of(manifest) else None
            if bundle is None:
                continue
            rows = counted_rows(bundle, manifest)
            if len(rows):
                yield SeenMedium(item, medium, bundle.tensors[key][rows], bundle.track[key][rows])


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
    odds = logit(apply_platt(calibration, scored.raw.astype(np.float64)))
    tracks = []
    for track in np.unique(scored.track):
        of_track = np.sort(odds[scored.track == track])[::-1]
        if rule.items == "top_mean_log_odds":
            of_track = of_track[: max(1, math.ceil(rule.top_share * len(of_track)))]
        tracks.append(of_track.mean())
    return float(1.0 / (1.0 + np.exp(-max(tracks))))


def measure_media(
    scored: Sequence[ScoredMedium], manifest: DetectorManifest, calibration: Calibration, split: str, seed: int = 0
) -> tuple[Measurement, ...]:
    """AUC, EER and false alarms by medium and family."""
    measured: list[Measurement] = []
    for medium in media_of(manifest):
        of_medium = [each for each in scored if each.medium == medium]
        if of_medium:
            scores = [file_score(each, manifest, calibration) for each in of_medium]
            terms = Terms(medium=medium, split=split, unit="file", seed=seed)
            measured += measure(ScoredSet.of([each.item for each in of_medium], scores), terms)
    return tuple(measured)


def calibrate_and_measure(
    scored: Sequence[ScoredMedium], manifest: DetectorManifest, seed: int = 0
) -> tuple[Calibration, tuple[Measurement, ...]]:
    """Fit Platt scaling on a third of the groups and measure on the others.

    Every file counts alike in its class, however many items it has, and both classes alike: the prior is one half.

    Raises:
        DataError: a class is missing, or fakes score no higher than genuine media.
    """
    if not scored:
        raise DataError("In none of the media is there anything for this detector.", "Give media that it looks at.")
    split = split_by_group([each.item for each in scored], _SHARES, seed)
    fitted = [each for each in scored if each.item in split.calibration]
    counts = {fake: sum(each.item.fake == fake for each in fitted) for fake in (True, False)}
    if not all(counts.values()):
        raise DataError("The calibration split holds one class only.", "Label more groups of the other class.")
    weights = [np.full(len(each.raw), 1.0 / (len(each.raw) * counts[each.item.fake])) for each in fitted]
    calibration = fit_platt(
        np.concatenate([each.raw for each in fitted]).astype(np.float64),
        np.concatenate([np.full(len(each.raw), each.item.fake) for each in fitted]),
        f"{len(fitted)} files, no group of which was measured on",
        np.concatenate(weights),
    )
    tested = [each for each in scored if each.item in split.test]
    return calibration, measure_media(tested, manifest, calibration, f"test groups; {split.description}", seed)
