"""Versions of the face detectors side by side with a published one, all on the same held-out media: AUC of each.

    .venvs/services/bin/python -m telltale_local run --only preprocess -- .venvs/models/bin/python bench/faces.py \
        --media ../shared/media --weights ../shared/weights --write docs/training.md

The media are those of the detectors' own cards: people and pictures that no version was trained or calibrated on, both
classes through the same degradations, cut for each detector as it asks for it. Published swaps are all that there are.
Every version in model-repository is a column, and so is Meso4_DF (Afchar 2018), converted from its published weights.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from telltale_contracts import CARD_FILE, Calibration, DetectorManifest, FaceCrop, VersionCard
from telltale_export.architectures import find_architecture
from telltale_export.conversion.convert import Conversion, convert
from telltale_export.data import MediaItem, read_dataset
from telltale_export.evaluation import ScoredSet, area_under_roc, bootstrap_interval
from telltale_export.faces import face_blend, face_synthesis
from telltale_export.faces.chips import FaceSet, gather
from telltale_export.faces.measuring import Collection, Scores
from telltale_export.faces.mesh import FaceMesh
from telltale_export.faces.recipe import CROPS, use_one_core
from telltale_export.packaging.scoring import load_scorer

BEGIN, END = "<!-- face detectors: written by bench/faces.py -->\n", "<!-- /face detectors -->\n"
HOUSE = Path(__file__).resolve().parent.parent
Cell = tuple[str, Collection]
# What a detector is measured on, cut for it.
Media = Callable[[FaceCrop], Sequence[Cell]]


@dataclass(frozen=True)
class Column:
    """One detector: its name, what it asks for, its scores and their calibration."""

    title: str
    spec: FaceCrop
    score: Scores
    calibration: Calibration


def main() -> int:
    """Gather, score, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="folder with Meso4_DF.h5 and meso-images")
    parser.add_argument("--write", type=Path, help="a page with the two marks between which the table is to stand")
    options = parser.parse_args()
    use_one_core()
    items = read_dataset(options.media).of("image", "video")
    with tempfile.TemporaryDirectory() as folder:
        meso = published(options.weights / "Meso4_DF.h5", Path(folder))
        extra = gathered([*(i for i in items if i.modality == "video"), *stills(options.weights)], meso.spec)
        lines = [
            *table([*versions(face_blend.NAME), meso], partial(blend_media, gathered(items), extra, items)),
            "",
            *table([*versions(face_synthesis.NAME), meso], partial(synthesis_media, gathered(items), extra, items)),
        ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write is not None:
        before, begin, rest = options.write.read_text().partition(BEGIN)
        _, end, after = rest.partition(END)
        if not (begin and end):
            parser.error(f"{options.write} needs the lines {BEGIN.strip()} and {END.strip()} around the table")
        options.write.write_text(f"{before}{BEGIN}{text}{END}{after}")
    return 0


def versions(name: str) -> Iterator[Column]:
    """Every version of a detector that the repository holds."""
    home = HOUSE / "model-repository" / name
    manifest = DetectorManifest.from_yaml(home / "detector.yaml")
    for card_file in sorted(home.glob(f"*/{CARD_FILE}"), key=lambda path: int(path.parent.name)):
        card = VersionCard.from_yaml(card_file)
        score = load_scorer(card_file.parent, manifest.tensors)
        yield Column(f"{name} {card.version}", crops_of(manifest), score, card.calibration)


def published(weights: Path, repository: Path) -> Column:
    """A published MesoNet as it would be served."""
    folder = convert(Conversion(find_architecture("meso4"), weights, repository, "meso4-df", "triton")).folder
    manifest = DetectorManifest.from_yaml(folder.parent / "detector.yaml")
    return Column(weights.stem, crops_of(manifest), load_scorer(folder, manifest.tensors), Calibration.none())


def crops_of(manifest: DetectorManifest) -> FaceCrop:
    """What a detector of faces looks at."""
    if not isinstance(manifest.input, FaceCrop):
        raise TypeError(f"{manifest.name} looks at {manifest.input.kind}, not at faces")
    return manifest.input


def stills(weights: Path) -> list[MediaItem]:
    """The four stills that come with the published weights: two swapped faces and two genuine ones."""
    return [
        MediaItem(
            path=path,
            modality="image",
            label="fake" if path.name.startswith("df_") else "real",
            family="published stills",
            source="DariusAf/MesoNet",
            group=path.stem,
            licence="not stated",
        )
        for path in sorted((weights / "meso-images").glob("*.jpg"))
    ]


def gathered(items: Sequence[MediaItem], spec: FaceCrop | None = None) -> FaceSet:
    """Faces of media, with the crops that the detectors, and one more, are served."""
    beside = CROPS if spec is None else (*CROPS, spec)
    mesh = FaceMesh(HOUSE / ".cache/assets/face_landmark.tflite")
    return gather(items, beside, os.environ["TELLTALE_PREPROCESS_URL"], mesh, HOUSE / ".cache")


def blend_media(faces: FaceSet, extra: FaceSet, items: Sequence[MediaItem], spec: FaceCrop) -> list[Cell]:
    """Blends of unseen people, and swaps that others made."""
    chosen = face_blend.genuine_faces(faces, face_blend.divide(items), "test")
    own = face_blend.held_out(faces, chosen, spec, published=extra)
    swaps = only(own.published, "faceswap-inswapper")
    for index, face in enumerate(extra.faces):
        if face.modality == "image":
            crop = extra.served[spec.key()][index]
            swaps.add(crop, fake=face.label == "fake", family=face.family, source="published", group=face.group)
    return [
        ("blends of unseen people, JPEG", own.stills),
        ("of these: self-blends", only(own.stills, "self-blend")),
        ("of these: blends of two people", only(own.stills, "cross-blend")),
        ("blends of unseen people, soft, moved or cut off", own.rough),
        ("blends of unseen people, H.264", own.films),
        ("published swaps", swaps),
        ("talking heads, which it is not for", only(own.published, "talking-head-anitalker")),
    ]


def synthesis_media(faces: FaceSet, extra: FaceSet, items: Sequence[MediaItem], spec: FaceCrop) -> list[Cell]:
    """Generated faces of both sources, as stills and as films."""
    chosen = face_synthesis.parts_of(faces, face_synthesis.divide(items)).test
    own = face_synthesis.held_out(faces, chosen, spec, genuine=extra)
    by_source = [(f"of these: {source}", of_source(own.stills, source)) for source in sorted(set(own.stills.sources))]
    return [("generated and photographed faces, JPEG", own.stills), *by_source, ("films of these, H.264", own.films)]


def only(collection: Collection, family: str) -> Collection:
    """The genuine items of a collection and one family of forgeries."""
    return where(collection, lambda place: not collection.fake[place] or collection.families[place] == family)


def of_source(collection: Collection, source: str) -> Collection:
    """The items of one source."""
    return where(collection, lambda place: collection.sources[place] == source)


def where(collection: Collection, wanted: Callable[[int], bool]) -> Collection:
    """Some of a collection's items."""
    chosen = Collection()
    for place in filter(wanted, range(len(collection.crops))):
        chosen.add(
            collection.crops[place],
            fake=collection.fake[place],
            family=collection.families[place],
            source=collection.sources[place],
            group=collection.groups[place],
        )
    return chosen


def table(columns: Sequence[Column], media: Media) -> Iterator[str]:
    """A table of AUCs with 95 % bootstrap intervals over groups: media down, detectors across."""
    cut = {spec.key(): media(spec) for spec in {column.spec.key(): column.spec for column in columns}.values()}
    yield "| held-out media | genuine / forged | " + " | ".join(column.title for column in columns) + " |"
    yield "|---" * (2 + len(columns)) + "|"
    for place, (name, each) in enumerate(cut[columns[0].spec.key()]):
        counts = f"{len(each.fake) - sum(each.fake)} / {sum(each.fake)}"
        cells = (cell(column, cut[column.spec.key()][place][1]) for column in columns)
        yield f"| {name} | {counts} | " + " | ".join(cells) + " |"


def cell(column: Column, media: Collection) -> str:
    """The AUC of one detector on some media, a film by the mean log-odds of its crops."""
    scored: ScoredSet = media.scored(column.score, column.calibration)
    found = bootstrap_interval(area_under_roc, scored.scores, scored.fake, scored.groups)
    return f"{found.value:.3f} ({found.low:.2f} to {found.high:.2f})"


if __name__ == "__main__":
    sys.exit(main())
