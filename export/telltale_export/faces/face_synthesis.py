"""face-synthesis: tells generated faces (StyleGAN2) from photographed ones."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Aggregation, Calibration, DetectorManifest, FaceCrop, Measurement, Medium, TensorNames

from telltale_export.calibration import fit_platt
from telltale_export.data import Shares, Split, SplitName, read_dataset, split_by_group
from telltale_export.errors import DataError
from telltale_export.evaluation import Terms, area_under_roc, measure, table
from telltale_export.faces.chips import Face, FaceSet
from telltale_export.faces.films import still_film
from telltale_export.faces.generated import MARGIN, MOST_OUTSIDE, SIZE, GeneratedFaces
from telltale_export.faces.golden import SOURCE, golden_pictures
from telltale_export.faces.keras_export import export_saved_model
from telltale_export.faces.measuring import Collection
from telltale_export.faces.network import FaceNet
from telltale_export.faces.recipe import (
    Report,
    Workshop,
    gather_faces,
    initial_network,
    keep_weights,
    parts_by_group,
    provenance,
    saved_network,
    use_one_core,
)
from telltale_export.faces.training import Trained, TrainingOptions, fit, score
from telltale_export.packaging import VersionDraft, next_version, write_version

NAME = "face-synthesis"
SPEC = FaceCrop(size=SIZE, margin=MARGIN)
# On films it may vote only where it is right this often, on films of stills and on genuine films alike.
MOST_FILM_ERRORS = 0.05
_LIMITS = (
    "Learned from and measured on StyleGAN2 faces only; other generators, diffusion models too, are not tested.",
    "Faces below about 70 pixels were not learned from.",
)
LEARNING_RATE = 4e-4


@dataclass(frozen=True)
class Parts:
    """Indices of the faces of each split."""

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
    faces = gather_faces(shop, items)
    split = split_by_group([item for item in items if item.modality == "image"], Shares(0.6, 0.15, 0.25))
    parts = _parts(faces, split)
    report(f"{split.description}; faces: {len(parts.training)}, {len(parts.calibration)}, {len(parts.test)}")
    options = TrainingOptions(shop.images, shop.minutes, learning_rate=LEARNING_RATE, seed=shop.seed)
    if shop.weights is None:
        trained = _fit(shop, faces, parts.training, options, report)
        keep_weights(trained, shop.cache / f"{NAME}.safetensors")
    else:
        trained = saved_network(shop.weights)
    net = trained.net
    calibration = _calibrate(net, faces, parts)
    measured, excluded = _measure(net, faces, parts, calibration, report)
    limits: tuple[str, ...] = _LIMITS
    if cross_images:
        limits = (*limits, *_across_sources(shop, faces, parts, cross_images, report))
    report(table(measured))
    learned = [faces.faces[index] for index in parts.training]
    golden = golden_pictures(shop.portrait, MARGIN, SIZE)
    if calibration.apply(float(score(net, golden[:1])[0])) >= 0.5:
        limits = (*limits, "It takes the genuine studio portrait among its golden inputs for generated.")
    draft = VersionDraft(
        provenance=provenance(shop, trained, items, learned, split.description),
        measured=measured,
        excluded=excluded,
        calibration=calibration,
        golden_inputs=golden,
        golden_source=SOURCE,
        limits=limits,
    )
    with tempfile.TemporaryDirectory() as folder:
        artifact = export_saved_model(net, Path(folder) / "model", manifest().tensors, golden)
        return write_version(shop.repository, manifest(), next_version(shop.repository, NAME), artifact, draft)


def _fit(shop: Workshop, faces: FaceSet, chosen: Sequence[int], options: TrainingOptions, report: Report) -> Trained:
    net = initial_network(shop, faces, chosen)
    return fit(net, GeneratedFaces(faces, chosen, shop.seed + 1).batches(options.batch), options, report)


def _parts(faces: FaceSet, split: Split) -> Parts:
    named = parts_by_group(split)

    def members(name: SplitName) -> list[int]:
        def wanted(face: Face) -> bool:
            return face.modality == "image" and named[face.group] == name and face.outside(MARGIN) <= MOST_OUTSIDE

        return faces.where(wanted)

    parts = Parts(members("training"), members("calibration"), members("test"))
    if not all((parts.training, parts.calibration, parts.test)):
        raise DataError("A split has no usable face.", "Give more images whose faces lie wholly inside.")
    return parts


def _stills(faces: FaceSet, chosen: Sequence[int], seed: int) -> Collection:
    """Each face twice, as different draws of everything that training does to it, JPEG last."""
    drawer = GeneratedFaces(faces, chosen, seed)
    collection = Collection()
    for index in [*chosen, *chosen]:
        _put(collection, faces.faces[index], drawer.draw(index, "jpeg"))
    return collection


def _films(faces: FaceSet, chosen: Sequence[int], seed: int) -> Collection:
    random = np.random.default_rng(seed)
    collection = Collection()
    for index in chosen:
        _put(collection, faces.faces[index], still_film(faces, index, MARGIN, SIZE, random))
    return collection


def _put(collection: Collection, face: Face, crops: NDArray[np.uint8]) -> None:
    collection.add(crops, fake=face.label == "fake", family=face.family, source=face.source, group=face.group)


def _calibrate(net: FaceNet, faces: FaceSet, parts: Parts) -> Calibration:
    collection = _stills(faces, parts.calibration, 7)
    raw = np.concatenate(collection.raw(net))
    fake = np.array(collection.fake, dtype=np.bool_)
    cells = [f"{source}/{label}" for source, label in zip(collection.sources, collection.fake, strict=True)]
    counts = {cell: cells.count(cell) for cell in cells}
    # Every source and class counts alike: the prior is then 0.5, and no source's habits pass for a class's.
    weights = np.array([1.0 / counts[cell] for cell in cells])
    fitted_on = f"{len(set(collection.groups))} calibration faces, twice each, degraded alike, sources weighed alike"
    return fit_platt(raw, fake, fitted_on, weights)


def _measure(
    net: FaceNet,
    faces: FaceSet,
    parts: Parts,
    calibration: Calibration,
    report: Report,
) -> tuple[tuple[Measurement, ...], dict[Medium, str]]:
    how = "held-out faces, both classes alike through scaling, turning, colour and"
    stills = _stills(faces, parts.test, 11)
    images = [*measure(stills.scored(net, calibration), Terms("image", f"{how} JPEG", "item"))]
    for source in sorted(set(stills.sources)):
        scored = stills.scored(net, calibration)
        terms = Terms("image", f"{how} JPEG; {source} alone", "item")
        images += measure(scored.where(scored.sources == source), terms)[:1]
    films = measure(_films(faces, parts.test, 13).scored(net, calibration), Terms("video", f"{how} H.264", "track"))
    genuine = _genuine_films(faces)
    alarms = float((genuine.scored(net, calibration).scores >= 0.5).mean()) if genuine.fake else 1.0
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


def _genuine_films(faces: FaceSet) -> Collection:
    """All genuine films, as they are served: none of them was trained on."""
    collection = Collection()
    films: dict[str, list[int]] = defaultdict(list)
    for index, face in enumerate(faces.faces):
        if face.modality == "video" and face.label == "real":
            films[face.path].append(index)
    for indices in films.values():
        face = faces.faces[indices[0]]
        crops = faces.served[SPEC.key()][indices]
        collection.add(crops, fake=False, family=face.family, source=face.source, group=face.group)
    return collection


def _across_sources(shop: Workshop, faces: FaceSet, parts: Parts, images: int, report: Report) -> tuple[str, ...]:
    """What a network that was trained on one source alone is worth on each other, in words for the card."""
    said = []
    sources = sorted({faces.faces[index].source for index in parts.training})
    for source in sources:
        own = [index for index in parts.training if faces.faces[index].source == source]
        options = TrainingOptions(images, shop.minutes, learning_rate=LEARNING_RATE, seed=shop.seed)
        net = _fit(shop, faces, own, options, report).net
        held_out = _stills(faces, parts.test, 11)
        scores = np.concatenate(held_out.raw(net))
        for other in sources:
            if other != source:
                chosen = np.array(held_out.sources) == other
                auc = area_under_roc(scores[chosen], np.array(held_out.fake)[chosen])
                said.append(f"Trained for {images} images on {source} alone, it has an AUC of {auc:.2f} on {other}.")
    return tuple(said)
