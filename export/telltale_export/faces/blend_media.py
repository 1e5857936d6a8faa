"""Held-out media for detectors of blends: pairs as stills, twins as films, and published films.

Each is cut for the detector that is asked; the media are the same whichever that is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection as Container
from collections.abc import Sequence
from functools import partial

import numpy as np
from telltale_contracts import FaceCrop

from telltale_export.faces.blending import cross_blend, lose_detail, self_blend
from telltale_export.faces.chips import CHIP, FaceSet, cut, scaled
from telltale_export.faces.degradation import Step, cut_off, draw_degradation, motion_blur, unchanged
from telltale_export.faces.films import blend_films
from telltale_export.faces.measuring import Collection
from telltale_export.faces.pairs import CROSS_SHARE, LARGEST, SMALLEST


def still_pairs(faces: FaceSet, chosen: Sequence[int], spec: FaceCrop, random: np.random.Generator) -> Collection:
    """Each still twice, beside its blend, both through the same scaling, noise and JPEG."""
    collection = Collection()
    stills = [index for index in chosen if faces.faces[index].modality == "image"]
    for index in stills * 2:
        other = chosen[int(random.integers(len(chosen)))]
        _add_pair(collection, faces, (index, other), spec, random)
    return collection


def rough_pairs(faces: FaceSet, chosen: Sequence[int], spec: FaceCrop, random: np.random.Generator) -> Collection:
    """Each still twice, as in ``still_pairs``, of which each is soft, or moved, or cut off by the picture's edge.

    Soft and moved it was before it was blended, cut off afterwards, and both halves of a pair alike.
    """
    collection = Collection()
    stills = [index for index in chosen if faces.faces[index].modality == "image"]
    for index in stills * 2:
        other = chosen[int(random.integers(len(chosen)))]
        kind = int(random.integers(3))
        before = (partial(lose_detail, random=random), partial(motion_blur, random=random), unchanged)[kind]
        after = cut_off(random, spec.margin / CHIP.margin) if kind == 2 else unchanged
        _add_pair(collection, faces, (index, other), spec, random, around=(before, after))
    return collection


def film_twins(
    faces: FaceSet, chosen: Sequence[int], spec: FaceCrop, random: np.random.Generator, each: int
) -> Collection:
    """Each video ``each`` times and each still once as a film, beside its blended twin, both through H.264."""
    collection = Collection()
    stills = [[index] for index in chosen if faces.faces[index].modality == "image"]
    videos: dict[str, list[int]] = defaultdict(list)
    for index in chosen:
        if faces.faces[index].modality == "video":
            videos[faces.faces[index].path].append(index)
    for indices in [*list(videos.values()) * each, *stills]:
        face = faces.faces[indices[0]]
        for film, fake in zip(blend_films(faces, indices, spec.margin, spec.size, random), (False, True), strict=True):
            family = "self-blend" if fake else face.family
            collection.add(film, fake=fake, family=family, source=face.source, group=face.group)
    return collection


def published_films(faces: FaceSet, unseen: Container[str], spec: FaceCrop) -> Collection:
    """Whole published films as they are served: all forged ones, and the genuine ones of unseen people."""
    collection = Collection()
    films: dict[str, list[int]] = defaultdict(list)
    swapped = {face.group for face in faces.faces if face.modality == "video" and face.label == "fake"}
    for index, face in enumerate(faces.faces):
        if face.modality == "video" and (face.label == "fake" or face.group in unseen or face.group in swapped):
            films[face.path].append(index)
    for indices in films.values():
        face = faces.faces[indices[0]]
        crops = faces.served[spec.key()][indices]
        # One source for all: a family stands against all genuine films, not only against the one that it was made of.
        collection.add(crops, fake=face.label == "fake", family=face.family, source="published", group=face.group)
    return collection


def _add_pair(
    collection: Collection,
    faces: FaceSet,
    both: tuple[int, int],
    spec: FaceCrop,
    random: np.random.Generator,
    *,
    around: tuple[Step, Step] = (unchanged, unchanged),
) -> None:
    """A still and its blend; the second of ``both`` is who may be blended into the first.

    ``around``: what happened to the still before it was blended, and to both at last.
    """
    index, other = both
    face = faces.faces[index]
    crossed = random.random() < CROSS_SHARE and faces.faces[other].group != face.group
    side = int(CHIP.margin * random.uniform(SMALLEST, np.clip(face.side, SMALLEST + 1, LARGEST))) // 2 * 2
    chip, points = scaled(faces.chips[index], faces.points[index], side)
    before, after = around
    chip = before(chip)
    if crossed:
        blend = cross_blend(chip, points, *scaled(faces.chips[other], faces.points[other], side), random)
    else:
        blend = self_blend(chip, points, random)
    degrade = draw_degradation(random, "jpeg")
    for picture, fake in ((blend.genuine, False), (blend.forged, True)):
        collection.add(
            cut(after(degrade(picture)), spec.margin, spec.size),
            fake=fake,
            family=("cross-blend" if crossed else "self-blend") if fake else face.family,
            source=face.source,
            group=face.group,
        )
