"""Fit the linear unit in closed form: Fisher's discriminant within sentences.

What is averaged is how a forgery differs from the genuine recording of the same group under the same treatment, so that
neither the speaker nor the room nor the codec is in it. What is weighed down is how these differences scatter, and,
stronger, how genuine speech scatters from recording to recording and source to source: a direction in which genuine
speech already varies tells nothing of where it comes from (Fisher 1936; the ridge is Friedman's, 1989).

Forgeries of sources that have no genuine sounds differ from those of other sources by their channel, too, so they count
for little; for nothing, a detector would be free to take them for the most genuine of all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_export.data import MediaItem
from telltale_export.errors import DataError
from telltale_export.voice.bank import TreatedSound
from telltale_export.voice.codecs import to_float
from telltale_export.voice.network import CLIP, STATISTICS, VoiceNetwork, of_each_statistic
from telltale_export.voice.spectrum import BANDS

Floats = NDArray[np.float64]
_APART = 4.0
_LEAST = 1e-6
_BATCH = 16


@dataclass(frozen=True)
class TrainingPlan:
    """What the discriminant weighs.

    ``genuine``: of the scatter of genuine speech, beside that of the differences. ``ridge``: of the identity, in
    standard deviations. ``lone``: of a source that has forged sounds only, beside one that has both. ``rounds``: random
    treatments of each file, beside the file itself.
    """

    genuine: float = 30.0
    ridge: float = 10.0
    lone: float = 0.2
    rounds: int = 6
    seed: int = 0


@dataclass(frozen=True)
class DescribedSound:
    """A treated sound and what describes its segments, statistics and bands: [segments, 976]."""

    sound: TreatedSound
    rows: Floats


def describe(sounds: Iterable[TreatedSound]) -> Iterator[DescribedSound]:
    """The statistics that the network computes, of every sound in turn."""
    network = VoiceNetwork().eval()
    for sound in sounds:
        with torch.inference_mode():
            parts = [
                network.describe(torch.from_numpy(to_float(sound.segments[start : start + _BATCH]))).double().numpy()
                for start in range(0, len(sound.segments), _BATCH)
            ]
        yield DescribedSound(sound, np.concatenate(parts))


def fit_network(
    items: Sequence[MediaItem], described: Sequence[DescribedSound], chosen: Iterable[int], plan: TrainingPlan
) -> VoiceNetwork:
    """The network whose linear unit is the discriminant of the chosen items' sounds.

    Args:
        items: all items.
        described: sounds of any of them.
        chosen: indices of the items that may be learned from.
        plan: see there.

    Raises:
        DataError: no group among them has both classes.
    """
    allowed = set(chosen)
    mine = [each for each in described if each.sound.item in allowed]
    rows = np.concatenate([each.rows for each in mine]) if mine else np.zeros((0, STATISTICS + BANDS))
    mean, deviation = _mean_and_deviation(rows)
    standard = [_standard(each.rows, mean, deviation) for each in mine]
    forged, middle, weight = _differences(items, mine, standard, plan.lone)
    genuine = np.concatenate([z for each, z in zip(mine, standard, strict=True) if not items[each.sound.item].fake])

    apart = weight @ forged
    scatter = (forged - apart).T @ ((forged - apart) * weight[:, None])
    spread = np.cov(genuine, rowvar=False, bias=True)
    within = scatter + plan.genuine * spread + plan.ridge * np.eye(len(apart))
    direction = np.linalg.solve(within, apart)
    # Two units of logit on either side; calibration says what they are worth.
    direction *= _APART / (direction @ apart)
    network = VoiceNetwork()
    for name, value in (
        ("mean", mean),
        ("deviation", deviation),
        ("weight", direction),
        ("bias", np.array([-(weight @ middle) @ direction])),
    ):
        getattr(network, name).copy_(torch.from_numpy(value))
    return network.eval()


def _split(rows: Floats) -> tuple[Floats, Floats]:
    """Statistics, and how far that of which each is is there: both [N, 960]."""
    there = of_each_statistic(torch.from_numpy(np.ascontiguousarray(rows[:, STATISTICS:]))).numpy()
    return rows[:, :STATISTICS], there


def _mean_and_deviation(rows: Floats) -> tuple[Floats, Floats]:
    """Of every statistic [960], over the segments in which its band is there."""
    statistics, there = _split(rows)
    total = there.sum(axis=0) + _LEAST
    mean = (statistics * there).sum(axis=0) / total
    return mean, np.sqrt(((statistics - mean) ** 2 * there).sum(axis=0) / total) + _LEAST


def _standard(rows: Floats, mean: Floats, deviation: Floats) -> Floats:
    """As the network standardises: what a band tells that is not there is nothing."""
    statistics, there = _split(rows)
    return np.clip((statistics - mean) / deviation, -CLIP, CLIP) * there


@dataclass(frozen=True)
class _Cell:
    """Forged segments of one source [N, 960], and the mean of the genuine ones that they stand against [960]."""

    source: str
    forged: Floats
    genuine: Floats
    paired: bool


def _differences(
    items: Sequence[MediaItem], described: Sequence[DescribedSound], standard: Sequence[Floats], lone: float
) -> tuple[Floats, Floats, Floats]:
    """Of every forged segment: what it is more than the genuine ones beside it, the middle of the two, and its weight.

    Every source weighs alike, or ``lone`` times that; in it every cell, in that every segment. Weights add up to 1.
    """
    cells = list(_paired(items, described, standard))
    if not cells:
        raise DataError("No group has both genuine and forged sounds.", "Label sentences that were spoken and forged.")
    if lone:
        cells += _lone(items, described, standard)
    per_source = Counter(cell.source for cell in cells)
    weights = [
        np.full(len(cell.forged), (1.0 if cell.paired else lone) / (per_source[cell.source] * len(cell.forged)))
        for cell in cells
    ]
    differences = np.concatenate([cell.forged - cell.genuine for cell in cells])
    middles = np.concatenate([(cell.forged + cell.genuine) / 2.0 for cell in cells])
    weight = np.concatenate(weights)
    return differences, middles, weight / weight.sum()


def _paired(
    items: Sequence[MediaItem], described: Sequence[DescribedSound], standard: Sequence[Floats]
) -> Iterator[_Cell]:
    """Groups that have both classes, under each treatment: speaker, sentence, room and codec are the same."""
    found: dict[tuple[str, str, str], dict[bool, list[Floats]]] = defaultdict(lambda: {False: [], True: []})
    for each, rows in zip(described, standard, strict=True):
        item = items[each.sound.item]
        found[item.source, item.group, each.sound.treatment][item.fake].append(rows)
    for (source, _, _), both in found.items():
        if both[False] and both[True]:
            yield _Cell(source, np.concatenate(both[True]), np.concatenate(both[False]).mean(axis=0), paired=True)


def _lone(
    items: Sequence[MediaItem], described: Sequence[DescribedSound], standard: Sequence[Floats]
) -> Iterator[_Cell]:
    """Sources without genuine sounds, under each treatment, against the genuine sounds of all sources, each alike."""
    found: dict[str, dict[bool, dict[str, list[Floats]]]] = defaultdict(lambda: {False: {}, True: {}})
    for each, rows in zip(described, standard, strict=True):
        item = items[each.sound.item]
        found[each.sound.treatment][item.fake].setdefault(item.source, []).append(rows)
    spoken = {source for both in found.values() for source in both[False]}
    for both in found.values():
        if both[False]:
            genuine = np.mean([np.concatenate(rows).mean(axis=0) for rows in both[False].values()], axis=0)
            for source in both[True].keys() - spoken:
                yield _Cell(source, np.concatenate(both[True][source]), genuine, paired=False)
