"""Have media scored by several workers, untouched and under each treatment."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from telltale_export.data import MediaItem
from telltale_export.errors import DataError
from telltale_export.evaluation.sheet import UNTOUCHED, FileScore, missing_file
from telltale_export.evaluation.subjects import Scores
from telltale_export.evaluation.treatments import Treatment, treatments_of
from telltale_export.progress import shown


@dataclass(frozen=True)
class _Task:
    item: MediaItem
    treatment: Treatment | None


def score_all(scores: Scores, items: Sequence[MediaItem], *, workers: int, robustness: bool) -> tuple[FileScore, ...]:
    """Score media; what cannot be scored is in the answer too, with its reason.

    Args:
        scores: who is asked.
        items: the media, all of a kind that it looks at.
        workers: how many media are under way at once.
        robustness: whether each medium is also scored under every treatment of its kind.

    Raises:
        DataError: who is asked does not answer, or another version answered in between.
    """
    tasks = [_Task(item, None) for item in items]
    if robustness:
        tasks += [_Task(item, treatment) for item in items for treatment in treatments_of(item.modality)]
    with tempfile.TemporaryDirectory(prefix="telltale-evaluate-") as folder, ThreadPoolExecutor(workers) as pool:
        work = pool.map(lambda task: _score(scores, task, Path(folder)), tasks)
        files = tuple(shown(work, len(tasks), "scoring"))
    _require_one_version(scores, files)
    return files


def _score(scores: Scores, task: _Task, folder: Path) -> FileScore:
    if task.treatment is None:
        return scores.score(task.item, task.item.path, UNTOUCHED)
    try:
        content = task.treatment.apply(task.item.path)
    except DataError as error:
        return missing_file(task.item, task.treatment.name, "cannot_be_treated", str(error))
    with tempfile.NamedTemporaryFile(dir=folder, suffix=task.treatment.suffix) as treated:
        treated.write(content)
        treated.flush()
        return scores.score(task.item, Path(treated.name), task.treatment.name)


def _require_one_version(scores: Scores, files: Sequence[FileScore]) -> None:
    for name, version in _answered(files):
        wanted = scores.subject.detectors.get(name)
        if wanted is not None and version != wanted.version:
            raise DataError(
                f"{name} answered with version {version} where {wanted.version} was to be evaluated.",
                "End its canary and promote nothing meanwhile, then run again.",
            )


def _answered(files: Sequence[FileScore]) -> Iterator[tuple[str, int]]:
    yield from {(row.name, row.version) for each in files for row in each.detectors if row.status == "scored"}
