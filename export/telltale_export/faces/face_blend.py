"""face-blend: tells faces that were blended into a picture, learned from blends of genuine faces alone."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from telltale_contracts import Aggregation, Calibration, DetectorManifest, FaceCrop, Measurement, TensorNames

from telltale_export.calibration import fit_platt
from telltale_export.data import SPLITS, MediaItem, Shares, Split, read_dataset, split_by_group
from telltale_export.evaluation import Terms, measure, table
from telltale_export.faces.ahead import batches
from telltale_export.faces.blend_media import film_twins, published_films, rough_pairs, still_pairs
from telltale_export.faces.chips import Face, FaceSet
from telltale_export.faces.golden import SOURCE, golden_pictures
from telltale_export.faces.measuring import Collection, Scores
from telltale_export.faces.onnx_export import export_onnx
from telltale_export.faces.pairs import MARGIN, SIZE, BlendPairs
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

NAME = "face-blend"
SPEC = FaceCrop(size=SIZE, margin=MARGIN)
# A face that is cut off by the picture's edge is filled up by repeating it; more than this is no face to learn from.
MOST_OUTSIDE = 0.1
LEARNING_RATE = 4e-4
_ROUGH = (
    "scaling, noise and JPEG; a third each was soft or moved before it was blended, or is cut off by the picture's edge"
)
LIMITS = (
    "Published swaps are hardly in the test: one video by one program. The figures are for the project's own blends.",
    "It looks for a seam and a mismatch across it; faces that are generated or animated whole have none.",
    "Talking heads, most lip sync and pictures by diffusion models are therefore not what it sees.",
    "Make-up, retouching and strong filters on genuine faces can look like a blend.",
    "Small faces in motion are taken for blends more often than large ones that keep still.",
    """Of a large face it sees 160 pixels: a swap whose only trace is finer than that, as of programs that paint 128 \
pixels into a film of higher resolution, it does not see.""",
    "Faces below about 70 pixels were not learned from.",
)


@dataclass(frozen=True)
class HeldOut:
    """What a detector of blends is measured on."""

    stills: Collection
    rough: Collection
    films: Collection
    published: Collection


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
    require_writable(shop.repository)
    faces = gather_faces(shop, items)
    split = divide(items)
    members = {name: genuine_faces(faces, split, name) for name in SPLITS}
    report(f"{split.description}; faces: " + ", ".join(f"{name} {len(of)}" for name, of in members.items()))
    trained = _fit(shop, faces, members["training"], report) if shop.weights is None else saved_network(shop.weights)
    net = trained.net
    calibration = _calibrate(partial(score, net), faces, members["calibration"])
    measured = _measure(partial(score, net), held_out(faces, members["test"], SPEC), calibration)
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


def _fit(shop: Workshop, faces: FaceSet, chosen: Sequence[int], report: Report) -> Trained:
    options = TrainingOptions(shop.images, learning_rate=LEARNING_RATE, seed=shop.seed)
    pairs = BlendPairs(faces, chosen, shop.seed + 1)
    drawn = batches(pairs, options.batch, shop.workers)
    if shop.begin_with is None:
        net = initial_network(shop, faces, chosen)
    else:
        net = continued_network(shop, shop.begin_with, pairs.batch(0, 96).pictures)
    checkpoint = shop.cache / f"{NAME}.checkpoint"
    trained = fit(net, drawn, options, report, checkpoint=checkpoint)
    keep_weights(trained, shop.cache / f"{NAME}.safetensors")
    checkpoint.unlink(missing_ok=True)
    return trained


def divide(items: Sequence[MediaItem]) -> Split:
    """The genuine media that it learns from and is measured on."""
    # Groups with published forgeries are for the test alone; so are all forgeries.
    forged = {item.group for item in items if item.modality == "video" and item.fake}
    genuine = [item for item in items if not item.fake and item.group not in forged]
    return split_by_group(
        genuine, Shares(0.6, 0.15, 0.25), stratum=lambda i: i.source if i.modality == "image" else "video"
    )


def genuine_faces(faces: FaceSet, split: Split, name: str) -> list[int]:
    """The faces of one split that a blend can be made of."""
    parts = parts_by_group(split)

    def wanted(face: Face) -> bool:
        return face.label == "real" and parts.get(face.group) == name and face.outside(MARGIN) <= MOST_OUTSIDE

    return faces.where(wanted, meshed=True)


def _calibrating(faces: FaceSet, chosen: Sequence[int]) -> tuple[Collection, ...]:
    """Stills, rough ones and films for calibration."""
    random = np.random.default_rng(7)
    stills, films = still_pairs(faces, chosen, SPEC, random), film_twins(faces, chosen, SPEC, random, each=12)
    return stills, rough_pairs(faces, chosen, SPEC, random), films


def _calibrate(score: Scores, faces: FaceSet, chosen: Sequence[int]) -> Calibration:
    collections = _calibrating(faces, chosen)
    raw = [scores for collection in collections for scores in collection.raw(score)]
    fake = np.repeat(np.concatenate([collection.fake for collection in collections]), [len(scores) for scores in raw])
    groups = len({faces.faces[index].group for index in chosen})
    fitted_on = (
        f"{int((~fake).sum())} genuine crops and their {int(fake.sum())} blends of the {groups} calibration groups, "
        "as JPEG, of half of them soft, moved or cut off, and as H.264 films"
    )
    return fit_platt(np.concatenate(raw), fake, fitted_on)


def held_out(faces: FaceSet, chosen: Sequence[int], spec: FaceCrop, published: FaceSet | None = None) -> HeldOut:
    """What the detector is measured on, cut as another may want it.

    Args:
        faces: of all media.
        chosen: the held-out ones.
        spec: how the detector that is asked wants them.
        published: faces that hold served crops of ``spec`` where ``faces`` do not.
    """
    random = np.random.default_rng(11)
    return HeldOut(
        stills=still_pairs(faces, chosen, spec, random),
        films=film_twins(faces, chosen, spec, random, each=4),
        rough=rough_pairs(faces, chosen, spec, random),
        published=published_films(published or faces, {faces.faces[index].group for index in chosen}, spec),
    )


def _measure(score: Scores, media: HeldOut, calibration: Calibration) -> tuple[Measurement, ...]:
    how = "held-out people, genuine and blended alike through"
    untouched = Terms("video", "published films, untouched", "track")
    published = measure(media.published.scored(score, calibration), untouched)
    return (
        *measure(media.stills.scored(score, calibration), Terms("image", f"{how} scaling, noise and JPEG", "item")),
        *measure(media.rough.scored(score, calibration), Terms("image", f"{how} {_ROUGH}", "item"))[:1],
        *measure(media.films.scored(score, calibration), Terms("video", f"{how} H.264", "track")),
        # Without "all": it would mix a forgery that this detector tests with one that it does not.
        *published[1:],
    )
