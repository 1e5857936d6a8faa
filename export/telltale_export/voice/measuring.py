"""From scores to the card: calibration that expects new channels, and the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Calibration, Measurement

from telltale_export.calibration import fit_platt, logit
from telltale_export.data import MediaItem
from telltale_export.evaluation import ScoredSet, Terms, measure
from telltale_export.voice.bank import NARROW, UNTOUCHED
from telltale_export.voice.crossfit import ScoredSound

_UNIT = "file under one treatment, mean log-odds of its 4 s segments"
_FIXED = (UNTOUCHED, NARROW)
_TELEPHONE = "files as a telephone passes them on (8 kHz)"
_TREATED = "each file through {rounds} random rooms, equalisers, noises and codecs (mp3, AAC, Opus; its group alike)"


def calibrate(
    items: Sequence[MediaItem], by_fold: Mapping[str, Sequence[ScoredSound]], allowed: set[int], what: str
) -> Calibration:
    """Platt scaling of segments' raw scores, each by a network that never heard that segment's source.

    Every fold counts alike, in it both classes alike, and in a class every file alike: the prior is one half.

    Args:
        items: all items.
        by_fold: scores by the network of each fold.
        allowed: indices of the items to fit on.
        what: the sounds, for the card.
    """
    raw, fake, weight, files = [], [], [], 0
    distinct: set[int] = set()
    for scored in by_fold.values():
        chosen = [sound for sound in scored if sound.item in allowed]
        counts = {label: sum(items[sound.item].label == label for sound in chosen) for label in ("real", "fake")}
        if not all(counts.values()):
            continue
        files += len(chosen)
        distinct |= {sound.item for sound in chosen}
        for sound in chosen:
            item = items[sound.item]
            raw.append(sound.raw)
            fake.append(np.full(len(sound.raw), item.fake))
            weight.append(np.full(len(sound.raw), 1.0 / (len(sound.raw) * counts[item.label])))
    # The targets against overconfidence should see the number of files, not of segments or treatments.
    weights = np.concatenate(weight)
    scores, labels = np.concatenate(raw), np.concatenate(fake)
    fitted_on = f"{len(scores)} segments of {files} treated files: {what}"
    return fit_platt(scores, labels, fitted_on, weights, independent=len(distinct))


def file_scores(calibration: Calibration, sounds: Sequence[ScoredSound]) -> NDArray[np.float64]:
    """Calibrated P(fake) of whole files [N]: the mean of their segments' log-odds, as the gateway aggregates them."""
    odds = [np.mean(calibration.slope * logit(sound.raw) + calibration.intercept) for sound in sounds]
    return np.asarray(1.0 / (1.0 + np.exp(-np.array(odds))))


def measure_test(
    items: Sequence[MediaItem], sounds: Sequence[ScoredSound], calibration: Calibration, rounds: int, seed: int
) -> tuple[Measurement, ...]:
    """The version itself on the test groups: treated files by family, and untouched files as a whole; and both once
    more without the sources that have one class only, whose channels tell them apart.
    """
    labels: dict[str, set[str]] = {}
    for item in items:
        labels.setdefault(item.source, set()).add(item.label)
    treated = [sound for sound in sounds if sound.treatment not in _FIXED]
    untouched = [sound for sound in sounds if sound.treatment == UNTOUCHED]
    whole, paired = "test groups of sources that were trained on; ", "test groups of sources with both classes; "
    how, as_is = _TREATED.format(rounds=rounds), "files as published"
    rows = [
        *_measure(items, treated, calibration, whole + how, seed),
        _measure(items, untouched, calibration, whole + as_is, seed)[0],
        _measure(items, [s for s in sounds if s.treatment == NARROW], calibration, whole + _TELEPHONE, seed)[0],
    ]
    if any(len(classes) == 1 for classes in labels.values()):
        for chosen, split in ((treated, paired + how), (untouched, paired + as_is)):
            mine = [sound for sound in chosen if len(labels[items[sound.item].source]) == 2]
            rows.append(_measure(items, mine, calibration, split, seed)[0])
    return tuple(rows)


def measure_new_sources(
    items: Sequence[MediaItem], by_fold: Mapping[str, Sequence[ScoredSound]], rounds: int, seed: int
) -> tuple[Measurement, ...]:
    """Leave-one-source-out: all folds together by family, then each fold.

    These are other networks than the version, trained alike but without the source; each fold's scores are
    calibrated on the other folds.
    """
    treated = {name: [sound for sound in scored if sound.treatment not in _FIXED] for name, scored in by_fold.items()}
    everything, scores = [], []
    each = []
    for name, scored in treated.items():
        others = {other: sounds for other, sounds in treated.items() if other != name}
        calibration = calibrate(items, others, set(range(len(items))), "the other folds")
        everything += scored
        scores.append(file_scores(calibration, scored))
        split = f"leave-one-source-out, {name}; {_TREATED.format(rounds=rounds)}"
        each.append(_measure(items, scored, calibration, split, seed)[0])
    terms = Terms(
        medium="speech",
        split=f"leave-one-source-out, all folds; {_TREATED.format(rounds=rounds)}",
        unit=_UNIT,
        seed=seed,
    )
    pooled = measure(ScoredSet.of([items[sound.item] for sound in everything], np.concatenate(scores)), terms)
    return (*pooled, *each)


def _measure(
    items: Sequence[MediaItem], sounds: Sequence[ScoredSound], calibration: Calibration, split: str, seed: int
) -> tuple[Measurement, ...]:
    scored = ScoredSet.of([items[sound.item] for sound in sounds], file_scores(calibration, sounds))
    return measure(scored, Terms(medium="speech", split=split, unit=_UNIT, seed=seed))
