"""The same figures for every part of the scores: each medium, family, source and treatment, missing files counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict
from telltale_contracts import Interval

from telltale_export.evaluation.families import OWN_SOURCES, ScoredSet, by_family
from telltale_export.evaluation.metrics import area_under_roc, bootstrap_intervals, equal_error_rate, share_interval
from telltale_export.evaluation.sheet import UNTOUCHED, FileScore, scored_set


class Row(BaseModel):
    """One part: how many files, how many without a score, and the figures that they allow.

    ``missing`` of a family are its own files; of everything else, all files of the part.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    n_real: int
    n_fake: int
    n_groups: int
    missing: int
    auc: Interval | None
    eer: Interval | None
    false_alarms: Interval | None
    hits: Interval | None
    note: str | None = None


@dataclass(frozen=True)
class Draws:
    """The threshold at which a score is called fake, and the bootstrap: how many draws, by which seed."""

    threshold: float
    rounds: int
    seed: int


def family_rows(files: Sequence[FileScore], draws: Draws) -> tuple[Row, ...]:
    """Each family of fakes against genuine media; one of which no file was scored has a row too, without figures."""
    missing = Counter(each.family for each in files if each.fake and each.score is None)
    scored = scored_set(files)
    rows = {
        # What every row would say is said above the table.
        family: _row(family, scored.where(chosen), missing[family], draws, None if note == OWN_SOURCES else note)
        for family, chosen, note in by_family(scored)
    }
    for family in set(missing) - set(rows):
        rows[family] = _row(family, scored.where(np.zeros(len(scored.scores), bool)), missing[family], draws, None)
    return tuple(rows[family] for family in sorted(rows))


def source_rows(files: Sequence[FileScore], draws: Draws) -> tuple[Row, ...]:
    """Each source by itself; one that has a single class has its false alarms or its hits only."""
    return tuple(
        part_row(source, [each for each in files if each.source == source], draws)
        for source in sorted({each.source for each in files})
    )


def medium_rows(files: Sequence[FileScore], draws: Draws) -> tuple[Row, ...]:
    """Each kind of media by itself."""
    return tuple(
        part_row(modality, [each for each in files if each.modality == modality], draws)
        for modality in sorted({each.modality for each in files})
    )


def treatment_rows(files: Sequence[FileScore], draws: Draws) -> tuple[Row, ...]:
    """Each treatment of each kind of media, the untouched files first; none where nothing was treated."""
    rows: list[Row] = []
    for modality in sorted({each.modality for each in files}):
        of_modality = [each for each in files if each.modality == modality]
        names = list(dict.fromkeys(each.treatment for each in of_modality))
        if len(names) < 2:
            continue
        names.sort(key=lambda name: name != UNTOUCHED)
        for name in names:
            treated = [each for each in of_modality if each.treatment == name]
            rows.append(part_row(f"{modality}, {name}", treated, draws))
    return tuple(rows)


def worst(rows: Iterable[Row]) -> Row | None:
    """The row with the lowest AUC; none where no AUC could be measured."""
    measured = [row for row in rows if row.auc is not None]
    return min(measured, key=lambda row: row.auc.value if row.auc else 1.0, default=None)


def mean_auc(rows: Iterable[Row]) -> float | None:
    """The AUC averaged over rows, each counting alike."""
    values = [row.auc.value for row in rows if row.auc is not None]
    return sum(values) / len(values) if values else None


def part_row(name: str, files: Sequence[FileScore], draws: Draws) -> Row:
    """The row of these files."""
    return _row(name, scored_set(files), sum(each.score is None for each in files), draws, None)


def _row(name: str, scored: ScoredSet, missing: int, draws: Draws, note: str | None) -> Row:
    figures: dict[str, Interval | None] = {"auc": None, "eer": None}
    if scored.fake.any() and not scored.fake.all():
        figures = bootstrap_intervals(
            {"auc": area_under_roc, "eer": equal_error_rate},
            scored.scores,
            scored.fake,
            scored.groups,
            rounds=draws.rounds,
            seed=draws.seed,
        )
    called = scored.scores >= draws.threshold
    alarms, hits = (
        share_interval(called[of], scored.groups[of], rounds=draws.rounds, seed=draws.seed)
        for of in (~scored.fake, scored.fake)
    )
    return Row(
        name=name,
        n_real=int((~scored.fake).sum()),
        n_fake=int(scored.fake.sum()),
        n_groups=len(np.unique(scored.groups)),
        missing=missing,
        auc=figures["auc"],
        eer=figures["eer"],
        false_alarms=alarms,
        hits=hits,
        note=note,
    )
