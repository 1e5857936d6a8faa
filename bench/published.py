"""Published weights, converted, served by both servers, and scored on labelled media: AUC by family of forgeries.

    .venvs/services/bin/python -m telltale_local run --only preprocess,triton,tfserving --model-repository EMPTY -- \
        .venvs/models/bin/python bench/published.py --weights ../shared/weights --media ../shared/media

Four MesoNets (each on TensorFlow Serving and on Triton) and two AASISTs (Triton). Of every family of every source as
many files are drawn as --files says, with a fixed seed; each goes through preprocessing as an upload would, its items
through the served model, and its score is what the gateway would make of them without calibration. The last lines are
the tables of docs/export.md.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from telltale_contracts import Calibration, DetectorManifest, Measurement, Sampling, Server
from telltale_export.architectures import find_architecture
from telltale_export.calibration.held_out import measure_media
from telltale_export.conversion.convert import Conversion, convert
from telltale_export.data import MediaItem, read_dataset
from telltale_export.evaluation import table
from telltale_export.packaging import Scorer
from telltale_export.served.media import score_media, see_media

from export import served_version

FACES: tuple[tuple[str, str], ...] = (
    ("meso4", "Meso4_DF.h5"),
    ("meso4", "Meso4_F2F.h5"),
    ("mesoinception4", "MesoInception_DF.h5"),
    ("mesoinception4", "MesoInception_F2F.h5"),
)
VOICES: tuple[tuple[str, str], ...] = (("aasist", "AASIST.pth"), ("aasist-l", "AASIST-L.pth"))
FRAMES = 8


@dataclass(frozen=True)
class Published:
    """One converted checkpoint on one server."""

    title: str
    manifest: DetectorManifest
    score: Scorer


def main() -> int:
    """Convert, serve, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--files", type=int, default=10, help="of each family of each source")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chosen = draw(list(read_dataset(options.media).items), options.files, options.seed)
    with ExitStack() as servers:
        faces = list(published(FACES, ("tfserving", "triton"), options.weights, servers))
        seen = compare(faces, [item for item in chosen if item.modality != "audio"])
        voices = list(published(VOICES, ("triton",), options.weights, servers))
        heard = compare(voices, [item for item in chosen if item.modality == "audio"])
    for measured in (seen, heard):
        print("\n" + "\n".join(markdown(measured)))
    return 0


def draw(items: list[MediaItem], most: int, seed: int) -> list[MediaItem]:
    """At most so many files of each family of each source; of genuine ones twice as many."""
    strata: dict[tuple[str, str, str], list[MediaItem]] = defaultdict(list)
    for item in items:
        strata[item.modality, item.source, item.family].append(item)
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    return [
        item
        for files in strata.values()
        for item in chance.sample(files, min(len(files), most if files[0].fake else 2 * most))
    ]


def published(
    checkpoints: tuple[tuple[str, str], ...], servers: tuple[Server, ...], weights: Path, stack: ExitStack
) -> Iterator[Published]:
    """Each checkpoint, converted and loaded by each server."""
    repository = Path(os.environ["TELLTALE_MODEL_REPOSITORY"])
    for name, file in checkpoints:
        for server in servers:
            called = f"{Path(file).stem.lower().replace('_', '-')}-{server}"
            conversion = Conversion(find_architecture(name), weights / file, repository, called, server)
            folder = convert(conversion).folder
            manifest = DetectorManifest.from_yaml(folder.parent / "detector.yaml")
            yield Published(called, manifest, stack.enter_context(served_version(folder, manifest)))


def compare(detectors: list[Published], items: list[MediaItem]) -> dict[str, tuple[Measurement, ...]]:
    """Print what each detector is worth, and return it by checkpoint; all look at the same crops or sounds."""
    seen = list(
        see_media(detectors[0].manifest, items, os.environ["TELLTALE_PREPROCESS_URL"], Sampling(max_frames=FRAMES))
    )
    before: dict[str, np.ndarray] = {}
    measured: dict[str, tuple[Measurement, ...]] = {}
    for detector in detectors:
        scored = score_media(seen, detector.score)
        print(f"\n{detector.title}, {len(scored)} of {len(items)} files, {sum(len(s.raw) for s in scored)} items")
        checkpoint = detector.title.rpartition("-")[0]
        raw = np.concatenate([each.raw for each in scored])
        if checkpoint in before:
            print(f"the same as on the other server, to {np.abs(raw - before[checkpoint]).max():.1e} in every item")
            continue
        before[checkpoint] = raw
        measured[checkpoint] = measure_media(scored, detector.manifest, Calibration.none(), "published weights")
        print(table(measured[checkpoint]), flush=True)
    return measured


def markdown(measured: dict[str, tuple[Measurement, ...]]) -> Iterator[str]:
    """One line for each medium and family, one column for each checkpoint: AUC with its interval."""
    yield f"| medium | family | genuine / forged | {' | '.join(measured)} |"
    yield "|---|---|---|" + "---|" * len(measured)
    for rows in zip(*measured.values(), strict=True):
        first = rows[0]
        areas = [f"{m.auc.value:.2f} ({m.auc.low:.2f} to {m.auc.high:.2f})" if m.auc else "-" for m in rows]
        yield f"| {first.medium} | {first.family} | {first.n_real} / {first.n_fake} | {' | '.join(areas)} |"


if __name__ == "__main__":
    sys.exit(main())
