"""What a converted detector is worth on labelled media: through preprocessing, as an upload would go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from telltale_contracts import Calibration, DetectorManifest, Measurement

from telltale_export.calibration import fit_platt
from telltale_export.data import Shares, split_by_group
from telltale_export.errors import DataError
from telltale_export.evaluation import ScoredSet, Terms, measure
from telltale_export.served.media import ScoredMedium, file_score, media_of

# Nothing here was trained on any of it: what is not needed to calibrate is for measuring.
_SHARES = Shares(training=0.01, calibration=0.33, test=0.66)


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
