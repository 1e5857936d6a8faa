"""face-synthesis: tells generated faces (StyleGAN2) from photographed ones."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from telltale_contracts import Aggregation, Calibration, DetectorManifest, FaceCrop, Measurement, Medium, TensorNames

from telltale_export.calibration import fit_platt
from telltale_export.data import MediaItem, Shares, Split, SplitName, read_dataset, split_by_group
from telltale_export.errors import DataError
from telltale_export.evaluation import ScoredSet, Terms, measure, table
from telltale_export.faces.ahead import batches
from telltale_export.faces.between import best_trained
from telltale_export.faces.chips import Face, FaceSet
from telltale_export.faces.generated import MARGIN, MOST_OUTSIDE, NARROWEST, SIZE, GeneratedFaces
from telltale_export.faces.generated_media import films_of_stills, genuine_films, stills
from telltale_export.faces.golden import SOURCE, golden_pictures
from telltale_export.faces.keras_export import export_saved_model
from telltale_export.faces.measuring import Collection, Scores
from telltale_export.faces.network import FaceNet
from telltale_export.faces.recipe import (
    Report,
    Workshop,
    continued_network,
    gather_faces,
    initial_network,
    keep_weights,
    parts_by_group,
    provenance,
    saved_network,
    use_one_core,
)
from telltale_export.faces.training import Trained, TrainingOptions, fit, score
from telltale_export.packaging import VersionDraft, next_version, require_writable, write_version

NAME = "face-synthesis"
SPEC = FaceCrop(size=SIZE, margin=MARGIN)
# On films it may vote only where it is right this often, on films of stills and on genuine films alike.
MOST_FILM_ERRORS = 0.05
LEARNING_RATE = 4e-4
# Of the network's modules, the stem among them: these keep what they saw on ImageNet.
STILL = 4
_HOW = "held-out faces, both classes alike through scaling, turning, colour and"
_LIMITS = (
    "Learned from and measured on StyleGAN2 faces only; other generators, diffusion models too, are not tested.",
    "Talking heads, lip sync and swapped faces are not what it looks for.",
    "Faces below about 70 pixels were not learned from.",
)


@dataclass(frozen=True)
class Parts:
    """Indices of the faces of each split: what is learned from may be cut off by the picture, the rest may not."""

    training: list[int]
    calibration: list[int]
    test: list[int]


def manifest() -> DetectorManifest:
    """What face-synthesis is, whichever version of it answers."""
    return DetectorManifest(
        name=NAME,
        description="Tells a generated face (StyleGAN2) from a photographed one by the face alone.",
        forgery="face_synthesis",
        server="tfserving",
        input=SPEC,
        tensors=TensorNames(input="pictures", probability="probability", signature="serving_default"),
        max_batch=32,
        aggregation=Aggregation(items="mean_log_odds"),
    )


def train(shop: Workshop, report: Report, cross_images: int = 0) -> Path:
    """Gather, train, calibrate, measure and publish; the folder of the version.

    Args:
        shop: where things are.
        report: takes lines of progress.
        cross_images: how long to train one more network on each source alone, to say what it is worth on the others;
            0 leaves that out.

    Raises:
        ExportError: data, backbone or assets are not there or not as they should be.
    """
    use_one_core()
    items = read_dataset(shop.media).of("image", "video")
    require_writable(shop.repository)
    faces = gather_faces(shop, items)
    split = divide(items)
    parts = parts_of(faces, split)
    report(f"{split.description}; faces: {len(parts.training)}, {len(parts.calibration)}, {len(parts.test)}")
    gathered = _Gathered(shop, faces, report)
    trained = (
        gathered.fit(parts.training, shop.images, NAME, shop.begin_with)
        if shop.weights is None
        else saved_network(shop.weights)
    )
    share = 1.0
    if shop.begin_with is not None:
        calibrating = stills(faces, parts.calibration, SPEC, np.random.default_rng(7))
        trained, share = best_trained(gathered.start(parts.training, shop.begin_with), trained, [calibrating], report)
    net = trained.net
    calibration = _calibrate(partial(score, net), faces, parts)
    measured, excluded = _measure(partial(score, net), held_out(faces, parts.test, SPEC), calibration, report)
    alike = _across_sources(gathered, parts, cross_images) if cross_images else ()
    report(table([*measured, *alike]))
    golden = golden_pictures(shop.portrait, MARGIN, SIZE)
    limits: tuple[str, ...] = _LIMITS
    if calibration.apply(float(score(net, golden[:1])[0])) >= 0.5:
        limits = (*limits, "It takes the genuine studio portrait among its golden inputs for generated.")
    draft = VersionDraft(
        provenance=provenance(
            shop, trained, items, [faces.faces[i] for i in parts.training], split.description, share=share
        ),
        measured=measured,
        trained_alike=alike,
        excluded=excluded,
        calibration=calibration,
        golden_inputs=golden,
        golden_source=SOURCE,
        limits=limits,
    )
    with tempfile.TemporaryDirectory() as folder:
        artifact = export_saved_model(net, Path(folder) / "model", manifest().tensors, golden)
        return write_version(shop.repository, manifest(), next_version(shop.repository, NAME), artifact, draft)


def divide(items: Sequence[MediaItem]) -> Split:
    """The stills that it learns from and is measured on."""
    return split_by_group([item for item in items if item.modality == "image"], Shares(0.6, 0.15, 0.25))


def parts_of(faces: FaceSet, split: Split) -> Parts:
    """The faces of each split that are of use there.

    Raises:
        DataError: a split has none.
    """
    named = parts_by_group(split)

    def members(name: SplitName, margin: float) -> list[int]:
        def wanted(face: Face) -> bool:
            return face.modality == "image" and named[face.group] == name and face.outside(margin) <= MOST_OUTSIDE

        return faces.where(wanted)

    parts = Parts(members("training", NARROWEST), members("calibration", MARGIN), members("test", MARGIN))
    if not all((parts.training, parts.calibration, parts.test)):
        raise DataError("A split has no usable face.", "Give more images whose faces lie wholly inside.")
    return parts


@dataclass(frozen=True)
class HeldOut:
    """What a detector of generated faces is measured on; ``genuine`` are films, which none was trained on."""

    stills: Collection
    films: Collection
    genuine: Collection


def held_out(faces: FaceSet, chosen: Sequence[int], spec: FaceCrop, genuine: FaceSet | None = None) -> HeldOut:
    """The media, cut as another detector may want them.

    Args:
        faces: of all media.
        chosen: the held-out ones.
        spec: how the detector that is asked wants them.
        genuine: faces of films that hold served crops of ``spec`` where ``faces`` do not.
    """
    return HeldOut(
        stills=stills(faces, chosen, spec, np.random.default_rng(11)),
        films=films_of_stills(faces, chosen, spec, np.random.default_rng(13)),
        genuine=genuine_films(genuine or faces, spec),
    )


@dataclass(frozen=True)
class _Gathered:
    """What every network of this recipe is trained from."""

    shop: Workshop
    faces: FaceSet
    report: Report

    def fit(self, chosen: Sequence[int], images: int, name: str, begin_with: Path | None = None) -> Trained:
        """Train a network on faces, from a version or from the backbone, and keep its weights under a name."""
        shop = self.shop
        options = TrainingOptions(images, learning_rate=LEARNING_RATE, still=STILL, seed=shop.seed)
        drawn = batches(self._draws(chosen), options.batch, shop.workers)
        checkpoint = shop.cache / f"{name}.checkpoint"
        net = initial_network(shop, self.faces, chosen) if begin_with is None else self.start(chosen, begin_with)
        trained = fit(net, drawn, options, self.report, checkpoint=checkpoint)
        keep_weights(trained, shop.cache / f"{name}.safetensors")
        checkpoint.unlink(missing_ok=True)
        return trained

    def start(self, chosen: Sequence[int], begin_with: Path) -> FaceNet:
        """What a training on these faces that goes on from a version begins with."""
        return continued_network(self.shop, begin_with, self._draws(chosen).batch(0, 96).pictures)

    def _draws(self, chosen: Sequence[int]) -> GeneratedFaces:
        return GeneratedFaces(self.faces, chosen, self.shop.seed + 1)


def _calibrate(score: Scores, faces: FaceSet, parts: Parts) -> Calibration:
    collection = stills(faces, parts.calibration, SPEC, np.random.default_rng(7))
    raw = np.concatenate(collection.raw(score))
    fake = np.array(collection.fake, dtype=np.bool_)
    cells = [f"{source}/{label}" for source, label in zip(collection.sources, collection.fake, strict=True)]
    counts = {cell: cells.count(cell) for cell in cells}
    # Every source and class counts alike: the prior is then 0.5, and no source's habits pass for a class's.
    weights = np.array([1.0 / counts[cell] for cell in cells])
    fitted_on = f"{len(set(collection.groups))} calibration faces, twice each, degraded alike, sources weighed alike"
    return fit_platt(raw, fake, fitted_on, weights)


def _measure(
    score: Scores, media: HeldOut, calibration: Calibration, report: Report
) -> tuple[tuple[Measurement, ...], dict[Medium, str]]:
    scored = media.stills.scored(score, calibration)
    images = [*measure(scored, Terms("image", f"{_HOW} JPEG", "item"))]
    for source in sorted(set(media.stills.sources)):
        images += _of_source(scored, source, f"{_HOW} JPEG; {source} alone")
    films = measure(media.films.scored(score, calibration), Terms("video", f"{_HOW} H.264", "track"))
    genuine = media.genuine
    alarms = float((genuine.scored(score, calibration).scores >= 0.5).mean()) if genuine.fake else 1.0
    error = films[0].eer.value if films[0].eer else 1.0
    report(
        f"films of held-out stills: EER {error:.3f}; false alarms on {len(genuine.fake)} genuine films: {alarms:.3f}"
    )
    if max(error, alarms) <= MOST_FILM_ERRORS:
        return (*images, *films), {}
    said = (
        f"on films of held-out stills its EER is {error:.2f}, and on {len(genuine.fake)} genuine films {alarms:.0%} "
        f"are false alarms; at most {MOST_FILM_ERRORS:.0%} of each were wanted."
    )
    return (*images, *films), {"video": said}


def _of_source(scored: ScoredSet, source: str, split: str) -> tuple[Measurement, ...]:
    return measure(scored.where(scored.sources == source), Terms("image", split, "item"))[:1]


def _across_sources(gathered: _Gathered, parts: Parts, images: int) -> tuple[Measurement, ...]:
    """What networks that have never seen a source are worth on its held-out faces."""
    faces = gathered.faces
    media = stills(faces, parts.test, SPEC, np.random.default_rng(11))
    everything = [*parts.training, *parts.calibration, *parts.test]
    measured: list[Measurement] = []
    for source in sorted(set(media.sources)):
        others = [index for index in everything if faces.faces[index].source != source]
        net = gathered.fit(others, images, f"{NAME}-without-{source.replace('/', '-')}").net
        scored = media.scored(partial(score, net), Calibration.none())
        measured += _of_source(
            scored, source, f"leave-one-source-out, {images} images from ImageNet on, {source}; {_HOW} JPEG"
        )
    return tuple(measured)
