"""Run a data set through preprocessing, shard by shard; what is there already is not asked for again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict
from telltale_contracts import Recipe, TensorBundle

from telltale_export.data import Dataset, MediaItem
from telltale_export.errors import DataError
from telltale_export.extraction.shards import Skipped, read_contents, write_shard
from telltale_export.files import write_whole
from telltale_export.preprocessing import fetch_bundle
from telltale_export.progress import shown
from telltale_export.served.http import Refused

_TIMEOUT_S = 300.0
_PLAN, _REPORT = "plan.json", "report.json"


@dataclass(frozen=True)
class Extraction:
    """What is wanted: which data, by which recipe, where to, and by how many workers."""

    dataset: Dataset
    recipe: Recipe
    folder: Path
    service: str
    workers: int
    shard_size: int

    def plan(self) -> dict[str, str | int]:
        """What must be the same for shards to belong together."""
        # With its size, a file that was replaced is told from the one whose items lie here, without reading all again.
        rows = json.dumps([[str(i.path), i.path.stat().st_size, i.label, i.group, i.split] for i in self.dataset.items])
        return {
            "data": self.dataset.name,
            "rows_sha256": hashlib.sha256(rows.encode()).hexdigest(),
            "recipe": self.recipe.model_dump_json(),
            "shard_size": self.shard_size,
        }


class Extracted(BaseModel):
    """What came of it: media by what they gave, skipped ones by their reason, and each of these by name."""

    model_config = ConfigDict(frozen=True)

    media: int
    real: int
    fake: int
    shards: int
    shards_found: int
    left_out: dict[str, int]
    reasons: dict[str, int]
    skipped: tuple[Skipped, ...]


def extract(wanted: Extraction) -> Extracted:
    """Write every shard that is missing, then the report.

    Raises:
        DataError: the folder holds an extraction of something else, preprocessing does not answer, or nothing of one
            class is left.
    """
    wanted.folder.mkdir(parents=True, exist_ok=True)
    _require_same_plan(wanted)
    items, size = wanted.dataset.items, wanted.shard_size
    parts = {
        wanted.folder / f"shard-{start // size:05d}.safetensors": items[start : start + size]
        for start in range(0, len(items), size)
    }
    missing = {path: part for path, part in parts.items() if not path.is_file()}
    done = len(items) - sum(len(part) for part in missing.values())
    with (
        httpx.Client(base_url=wanted.service, timeout=_TIMEOUT_S) as client,
        ThreadPoolExecutor(wanted.workers) as pool,
    ):
        fetch = partial(_fetch, client, wanted.recipe.model_dump_json())
        work = _written(missing, pool, fetch)
        for _ in shown(work, len(items), "extracting", done):
            pass
    report = _report(wanted.dataset, list(parts), len(parts) - len(missing))
    write_whole(wanted.folder / _REPORT, report.model_dump_json(indent=1).encode())
    if not (report.real and report.fake) and len({item.label for item in items}) == 2:
        raise DataError(
            f"Of one class nothing is left: {report.real} real and {report.fake} fake media.",
            f"Look at {wanted.folder / _REPORT} for why the others were skipped.",
        )
    return report


def _written(
    parts: dict[Path, tuple[MediaItem, ...]],
    pool: ThreadPoolExecutor,
    fetch: partial[tuple[MediaItem, TensorBundle | Skipped]],
) -> Iterator[None]:
    for path, part in parts.items():
        bundles: list[tuple[MediaItem, TensorBundle]] = []
        skipped: list[Skipped] = []
        for item, answer in pool.map(fetch, part):
            if isinstance(answer, Skipped):
                skipped.append(answer)
            else:
                skipped += [
                    Skipped(path=str(item.path), label=item.label, code=each.reason, reason=each.detail, key=each.key)
                    for each in answer.metadata.missing
                ]
                if answer.tensors:
                    bundles.append((item, answer))
            yield None
        write_shard(path, bundles, skipped)


def _fetch(client: httpx.Client, recipe: str, item: MediaItem) -> tuple[MediaItem, TensorBundle | Skipped]:
    try:
        return item, fetch_bundle(client, item.path, recipe)
    except Refused as refused:
        # What a shard says was skipped is not asked for again, so that only the medium may be to blame.
        if not refused.unfit:
            raise
        return item, Skipped(path=str(item.path), label=item.label, code=refused.code, reason=str(refused))


def _require_same_plan(wanted: Extraction) -> None:
    place, plan = wanted.folder / _PLAN, wanted.plan()
    if not place.is_file():
        write_whole(place, json.dumps(plan, indent=1).encode())
        return
    try:
        there = dict(json.loads(place.read_bytes()))
    except (ValueError, TypeError) as error:
        raise DataError(f"{place} is broken: {error}.", "Extract into an empty folder.") from error
    changed = [name for name in plan if there.get(name) != plan[name]]
    if changed:
        raise DataError(
            f"{wanted.folder} holds shards of another {', '.join(changed)}.", "Extract into an empty folder."
        )


def _report(dataset: Dataset, shards: Sequence[Path], found: int) -> Extracted:
    contents = [read_contents(path) for path in shards]
    labels = Counter(medium.label for each in contents for medium in each.media)
    skipped = tuple(skip for each in contents for skip in each.skipped)
    return Extracted(
        media=len(dataset.items),
        real=labels["real"],
        fake=labels["fake"],
        shards=len(shards),
        shards_found=found,
        left_out=dataset.reasons(),
        reasons=dict(Counter(skip.code for skip in skipped).most_common()),
        skipped=skipped,
    )
