"""Calibrate a detector on some groups and measure it on others, file by file as the gateway would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from telltale_contracts import Calibration, DetectorManifest, Measurement

from telltale_export.calibration.fitting import Bools, Floats, Method, fit
from telltale_export.data import MediaItem, Shares, Split, split_by_group
from telltale_export.errors import DataError
from telltale_export.evaluation import ScoredSet, Terms, measure
from telltale_export.served.media import ScoredMedium, file_score, media_of

# Nothing here was trained on any of it: what is not needed to calibrate is for measuring.
_SHARES = Shares(training=0.01, calibration=0.33, test=0.66)
OperatingPoint = Callable[[Floats, Bools], float]


@dataclass(frozen=True)
class Calibrated:
    """What was fitted on the one part of the media, and what it is worth on the other."""

    calibration: Calibration
    threshold: float
    measured: tuple[Measurement, ...]
    fitted: tuple[ScoredMedium, ...]
    tested: tuple[ScoredMedium, ...]


def held_out_split(items: Sequence[MediaItem], seed: int = 0) -> Split:
    """Which media a published version is calibrated on and which it is measured on, whole groups each.

    The splits that the data set gives, where it gives them: then it must say itself what is for calibration, because
    what is for training may have been trained on. Otherwise a third of the groups is for calibration.

    Raises:
        DataError: the data set gives splits, but none for calibration or for testing.
    """
    given = {item.split for item in items} - {None}
    absent = [name for name in ("calibration", "test") if given and name not in given]
    if absent:
        raise DataError(
            f"The data set gives splits, but none for {' and '.join(absent)}.",
            "Name one (val, test), or give --splits ignore if the version has seen none of it.",
        )
    return split_by_group(items, _SHARES, seed)


def calibrate_and_measure(
    scored: Sequence[ScoredMedium],
    manifest: DetectorManifest,
    seed: int = 0,
    *,
    split: Split | None = None,
    method: Method = "platt",
    operating_point: OperatingPoint | None = None,
    what: str = "",
) -> Calibrated:
    """Fit on the calibration groups and measure on the test groups.

    Every file counts alike in its class, however many items it has, and both classes alike: the prior is one half.

    Args:
        scored: raw scores of the media, none of which the version was trained on.
        manifest: the detector's.
        seed: of the bootstrap, and of the division into groups where none is given.
        split: which media are for what; see ``held_out_split``.
        method: what is fitted.
        operating_point: chooses the threshold from calibrated scores of the calibration files; one half when not given.
        what: words for the card, behind the number of files.

    Raises:
        DataError: a class is missing, or fakes score no higher than genuine media.
    """
    if not scored:
        raise DataError("In none of the media is there anything for this detector.", "Give media that it looks at.")
    split = split or held_out_split([each.item for each in scored], seed)
    for_fitting, for_testing = set(split.calibration), set(split.test)
    fitted = tuple(each for each in scored if each.item in for_fitting)
    tested = tuple(each for each in scored if each.item in for_testing)
    calibration = _fit(fitted, method, what)
    fake = np.array([each.item.fake for each in fitted], np.bool_)
    threshold = 0.5
    if operating_point is not None:
        threshold = operating_point(file_scores(fitted, manifest, calibration), fake)
    words = f"test groups; {split.description}"
    measured = measure_media(tested, manifest, calibration, words, threshold=threshold, seed=seed)
    return Calibrated(calibration, threshold, measured, fitted, tested)


def file_scores(scored: Sequence[ScoredMedium], manifest: DetectorManifest, calibration: Calibration) -> Floats:
    """Calibrated P(fake) of each medium [N]."""
    return np.array([file_score(each, manifest, calibration) for each in scored])


def measure_media(
    scored: Sequence[ScoredMedium],
    manifest: DetectorManifest,
    calibration: Calibration,
    split: str,
    *,
    threshold: float = 0.5,
    seed: int = 0,
) -> tuple[Measurement, ...]:
    """AUC, EER and false alarms by medium and family."""
    measured: list[Measurement] = []
    for medium in media_of(manifest):
        of_medium = [each for each in scored if each.medium == medium]
        if of_medium:
            scores = file_scores(of_medium, manifest, calibration)
            terms = Terms(medium=medium, split=split, unit="file", threshold=threshold, seed=seed)
            measured += measure(ScoredSet.of([each.item for each in of_medium], scores), terms)
    return tuple(measured)


def _fit(fitted: Sequence[ScoredMedium], method: Method, what: str) -> Calibration:
    counts = {fake: sum(each.item.fake == fake for each in fitted) for fake in (True, False)}
    if not all(counts.values()):
        raise DataError("The calibration split holds one class only.", "Label more groups of the other class.")
    weights = [np.full(len(each.raw), 1.0 / (len(each.raw) * counts[each.item.fake])) for each in fitted]
    return fit(
        method,
        np.concatenate([each.raw for each in fitted]).astype(np.float64),
        np.concatenate([np.full(len(each.raw), each.item.fake) for each in fitted]),
        f"{len(fitted)} files{what}, no group of which was measured on",
        np.concatenate(weights),
        # Frames of one film say much the same: it is files that prove something, not their items.
        independent=len(fitted),
    )
