"""LFCC statistics and logistic regression, on the very sounds that voice-vocoder is measured on, source by source.

    PYTHONPATH=preprocess-service .venvs/models/bin/python bench/voice_baseline.py --media ../shared/media \
        --beside model-repository/voice-vocoder/*/card.yaml

Each source is held out in turn, as in the recipe of voice-vocoder: what is learned from are the other sources' files,
without the test groups, untouched and through the same rooms and codecs as what is scored. Features of a segment of
4 s: mean and standard deviation over time of 20 LFCC, their first and second differences; then the deviations alone,
as after cepstral mean normalisation, when a fixed channel says nothing. A file's score is the mean log-odds of its
segments. Then both again, learned as voice-vocoder is from sources that have both classes: of one that has a single
class a baseline learns the channel.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from telltale_contracts import Interval, Lfcc, VersionCard
from telltale_export.data import MediaItem, read_dataset, split_by_group
from telltale_export.evaluation import area_under_roc, bootstrap_interval
from telltale_export.voice.bank import NARROW, UNTOUCHED, TreatedSound, fill_bank, treated_sounds
from telltale_export.voice.codecs import to_float
from telltale_export.voice.crossfit import source_folds
from telltale_preprocess.features.spectra import lfcc

SPEC = Lfcc(samples=64_000)
_FOLD, _POOLED, _BESIDE = "leave-one-source-out, ", "all folds", " + "
Features = NDArray[np.float64]


def main() -> int:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--beside", type=Path, nargs="*", default=[], help="cards of versions of voice-vocoder")
    parser.add_argument("--rounds", type=int, default=2, help="treatments of each file, as in the recipe")
    parser.add_argument("--seed", type=int, default=0, help="as in the recipe")
    options = parser.parse_args()
    items = read_dataset(options.media).of("audio")
    everything = treated_sounds(fill_bank(items), options.rounds, options.seed + 1000)
    sounds = [sound for sound in everything if sound.treatment != NARROW]
    features = [statistics(sound) for sound in sounds]
    half = [rows[:, rows.shape[1] // 2 :] for rows in features]
    columns = {}
    for paired in (False, True):
        for title, rows in (("LFCC", features), ("no means", half)):
            columns[title + (", paired" if paired else "")] = baseline(items, sounds, rows, options.seed, paired=paired)
    for path in options.beside:
        card = VersionCard.from_yaml(path)
        columns[f"{card.detector} {card.version}"] = of_card(card)
    print_table(columns)
    return 0


def statistics(sound: TreatedSound) -> Features:
    """Means, then deviations, of every coefficient over time: float64 [segments, 120]."""
    cepstra = lfcc(to_float(sound.segments), SPEC).astype(np.float64)
    return np.concatenate([cepstra.mean(axis=2), cepstra.std(axis=2)], axis=1)


def baseline(
    items: Sequence[MediaItem],
    sounds: Sequence[TreatedSound],
    features: Sequence[Features],
    seed: int,
    *,
    paired: bool,
) -> dict[str, Interval]:
    """AUC of each fold on its treated files; ``paired``: learned from sources that have both classes."""
    both = {item.source for item in items if item.fake} & {item.source for item in items if not item.fake}
    test = {item.path for item in split_by_group(items, seed=seed).test}
    allowed = [index for index, item in enumerate(items) if item.path not in test]
    found = {}
    for fold in source_folds(items, allowed):
        training = {index for index in fold.training if not paired or items[index].source in both}
        chosen = [number for number, sound in enumerate(sounds) if sound.item in training]
        rows = np.concatenate([features[number] for number in chosen])
        fake = np.concatenate([np.full(len(features[n]), items[sounds[n].item].fake) for n in chosen])
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
        model.fit(rows, fake)
        scored = [
            (items[sound.item], model.decision_function(features[number]).mean())
            for number, sound in enumerate(sounds)
            if items[sound.item].source in fold.held_out and sound.treatment != UNTOUCHED
        ]
        found[fold.name] = bootstrap_interval(
            area_under_roc,
            np.array([odds for _, odds in scored]),
            np.array([item.fake for item, _ in scored]),
            np.array([item.group for item, _ in scored]),
            seed=seed,
        )
    return found


def of_card(card: VersionCard) -> dict[str, Interval]:
    """The same figures, as a version's card gives them."""
    folds = [m for m in card.trained_alike if m.family == "all" and m.auc is not None]
    named = {m.split.removeprefix(_FOLD).partition(";")[0]: m.auc for m in folds if m.split.startswith(_FOLD)}
    return {name: auc for name, auc in named.items() if auc is not None and name != _POOLED}


def print_table(columns: Mapping[str, Mapping[str, Interval]]) -> None:
    """A row for each fold, then the mean and the worst of those whose source has both classes."""
    names = list(next(iter(columns.values())))
    both = [name for name in names if _BESIDE not in name]
    width = max(map(len, names))
    print(f"{'AUC on treated files':{width}}  " + "".join(f"{title:24}" for title in columns))
    for name in names:
        cells = [f"{each[name].value:.3f} ({each[name].low:.3f} to {each[name].high:.3f})" for each in columns.values()]
        print(f"{name:{width}}  " + "".join(f"{cell:24}" for cell in cells))
    values = {title: [each[name].value for name in both] for title, each in columns.items()}
    for what, figure in (("mean of sources with both classes", np.mean), ("the worst of them", np.min)):
        print(f"{what:{width}}  " + "".join(f"{figure(of):<24.3f}" for of in values.values()))


if __name__ == "__main__":
    raise SystemExit(main())
