"""face-blend: tells faces that were blended into a picture, learned from blends of genuine faces alone."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from telltale_contracts import Aggregation, Calibration, DetectorManifest, FaceCrop, Measurement, TensorNames

from telltale_export.calibration import fit_platt
from telltale_export.data import MediaItem, Shares, Split, read_dataset, split_by_group
from telltale_export.evaluation import Terms, measure, table
from telltale_export.faces.blending import cross_blend, self_blend
from telltale_export.faces.chips import CHIP, Face, FaceSet, cut, scaled
from telltale_export.faces.degradation import draw_degradation
from telltale_export.faces.films import blend_films
from telltale_export.faces.golden import SOURCE, golden_pictures
from telltale_export.faces.measuring import Collection
from telltale_export.faces.network import FaceNet
from telltale_export.faces.onnx_export import export_onnx
from telltale_export.faces.pairs import LARGEST, MARGIN, SIZE, SMALLEST, BlendPairs
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
from telltale_export.faces.training import TrainingOptions, fit
from telltale_export.packaging import VersionDraft, next_version, write_version

NAME = "face-blend"
SPEC = FaceCrop(size=SIZE, margin=MARGIN)
# A face that is cut off by the picture's edge is filled up by repeating it; more than this is no face to learn from.
MOST_OUTSIDE = 0.1
LIMITS = (
    "Published swaps are hardly in the test: one video by one program. The figures are for the project's own blends.",
    "It looks for a seam and a mismatch across it; faces that are generated or animated whole have none.",
    "Make-up, retouching and strong filters on genuine faces can look like a blend.",
    "Small faces in motion are taken for blends more often than large ones that keep still.",
    "Faces below about 70 pixels, or cut off by the picture's edge, were not learned from.",
)


def manifest() -> DetectorManifest:
    """What face-blend is, whichever version of it answers."""
    return DetectorManifest(
        name=NAME,
        description="Tells a face that was blended into the picture by the seam and the mismatch that blending leaves.",
        forgery="face_swap",
        server="triton",
        input=SPEC,
        tensors=TensorNames(input="pictures", probability="probability"),
        max_batch=32,
        aggregation=Aggregation(items="mean_log_odds"),
    )


def train(shop: Workshop, report: Report) -> Path:
    """Gather, train, calibrate, measure and publish; the folder of the version.

    Raises:
        ExportError: data, backbone or assets are not there or not as they should be.
    """
    use_one_core()
    items = read_dataset(shop.media).of("image", "video")
    faces = gather_faces(shop, items)
    split = _divide(items)
    members = {name: _genuine(faces, split, name) for name in ("training", "calibration", "test")}
    report(f"{split.description}; faces: " + ", ".join(f"{name} {len(of)}" for name, of in members.items()))
    if shop.weights is None:
        net = initial_network(shop, faces, members["training"])
        batches = BlendPairs(faces, members["training"], shop.seed + 1).batches(32)
        trained = fit(net, batches, TrainingOptions(shop.images, shop.minutes, seed=shop.seed), report)
        keep_weights(trained, shop.cache / f"{NAME}.safetensors")
    else:
        trained = saved_network(shop.weights)
    net = trained.net
    calibration = _calibrate(net, faces, members["calibration"])
    measured = _measure(net, faces, members["test"], calibration)
    report(table(measured))
    golden = golden_pictures(shop.portrait, MARGIN, SIZE)
    draft = VersionDraft(
        provenance=provenance(
            shop, trained, items, [faces.faces[index] for index in members["training"]], split.description
        ),
        measured=measured,
        calibration=calibration,
        golden_inputs=golden,
        golden_source=SOURCE,
        limits=LIMITS,
    )
    with tempfile.TemporaryDirectory() as folder:
        artifact = export_onnx(net, Path(folder), manifest().tensors, golden)
        return write_version(shop.repository, manifest(), next_version(shop.repository, NAME), artifact, draft)


def _divide(items: Sequence[MediaItem]) -> Split:
    # Groups with published forgeries are for the test alone; so are all forgeries.
    forged = {item.group for item in items if item.modality == "video" and item.fake}
    genuine = [item for item in items if not item.fake and item.group not in forged]
    return split_by_group(
        genuine, Shares(0.6, 0.15, 0.25), stratum=lambda i: i.source if i.modality == "image" else "video"
    )


def _genuine(faces: FaceSet, split: Split, name: str) -> list[int]:
    parts = parts_by_group(split)

    def wanted(face: Face) -> bool:
        return face.label == "real" and parts.get(face.group) == name and face.outside(MARGIN) <= MOST_OUTSIDE

    return faces.where(wanted, meshed=True)


def _calibrate(net: FaceNet, faces: FaceSet, chosen: Sequence[int]) -> Calibration:
    collection = Collection()
    random = np.random.default_rng(7)
    stills, films = _stills_and_films(faces, chosen)
    for index in stills * 2:
        _add_pair(collection, faces, index, chosen, random)
    for indices in [*films * 12, *([index] for index in stills)]:
        _add_films(collection, faces, indices, random)
    raw = collection.raw(net)
    fake = np.repeat(collection.fake, [len(scores) for scores in raw])
    groups = len({faces.faces[index].group for index in chosen})
    fitted_on = (
        f"{int((~fake).sum())} genuine crops and their {int(fake.sum())} blends of the {groups} calibration groups, "
        "as JPEG and as H.264 films"
    )
    return fit_platt(np.concatenate(raw), fake, fitted_on)


def _measure(net: FaceNet, faces: FaceSet, chosen: Sequence[int], calibration: Calibration) -> tuple[Measurement, ...]:
    random = np.random.default_rng(11)
    stills, films = _stills_and_films(faces, chosen)
    images, video = Collection(), Collection()
    for index in stills * 2:
        _add_pair(images, faces, index, chosen, random)
    for indices in [*films * 4, *([index] for index in stills)]:
        _add_films(video, faces, indices, random)
    unseen = {faces.faces[index].group for index in chosen}
    published = _published(faces, unseen)
    how = "held-out people, genuine and blended alike through"
    return (
        *measure(images.scored(net, calibration), Terms("image", f"{how} scaling, noise and JPEG", "item")),
        *measure(video.scored(net, calibration), Terms("video", f"{how} H.264", "track")),
        *_families(measure(published.scored(net, calibration), Terms("video", "published films, untouched", "track"))),
    )


def _families(measured: Sequence[Measurement]) -> Sequence[Measurement]:
    # Without "all": it would mix a forgery that this detector tests with one that it does not.
    return measured[1:]


def _stills_and_films(faces: FaceSet, chosen: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    stills, films = [], defaultdict(list)
    for index in chosen:
        if faces.faces[index].modality == "image":
            stills.append(index)
        else:
            films[faces.faces[index].path].append(index)
    return stills, list(films.values())


def _add_pair(
    collection: Collection, faces: FaceSet, index: int, others: Sequence[int], random: np.random.Generator
) -> None:
    face = faces.faces[index]
    side = int(CHIP.margin * random.uniform(SMALLEST, np.clip(face.side, SMALLEST + 1, LARGEST))) // 2 * 2
    chip, points = scaled(faces.chips[index], faces.points[index], side)
    other = others[int(random.integers(len(others)))]
    crossed = random.random() < 0.25 and faces.faces[other].group != face.group
    if crossed:
        blend = cross_blend(chip, points, *scaled(faces.chips[other], faces.points[other], side), random)
    else:
        blend = self_blend(chip, points, random)
    degrade = draw_degradation(random, "jpeg")
    for picture, fake in ((blend.genuine, False), (blend.forged, True)):
        collection.add(
            cut(degrade(picture), MARGIN, SIZE),
            fake=fake,
            family=("cross-blend" if crossed else "self-blend") if fake else face.family,
            source=face.source,
            group=face.group,
        )


def _add_films(collection: Collection, faces: FaceSet, indices: Sequence[int], random: np.random.Generator) -> None:
    face = faces.faces[indices[0]]
    for film, fake in zip(blend_films(faces, indices, MARGIN, SIZE, random), (False, True), strict=True):
        family = "self-blend" if fake else face.family
        collection.add(film, fake=fake, family=family, source=face.source, group=face.group)


def _published(faces: FaceSet, unseen: set[str]) -> Collection:
    """Whole published films as they are served: all forged ones, and the genuine ones of unseen people."""
    collection = Collection()
    films: dict[str, list[int]] = defaultdict(list)
    swapped = {face.group for face in faces.faces if face.modality == "video" and face.label == "fake"}
    for index, face in enumerate(faces.faces):
        if face.modality == "video" and (face.label == "fake" or face.group in unseen | swapped):
            films[face.path].append(index)
    for indices in films.values():
        face = faces.faces[indices[0]]
        crops = faces.served[SPEC.key()][indices]
        # One source for all: a family stands against all genuine films, not only against the one that it was made of.
        collection.add(crops, fake=face.label == "fake", family=face.family, source="published", group=face.group)
    return collection
