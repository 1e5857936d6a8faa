"""Held-out media for detectors of generated faces, cut for whichever is asked: stills, films of stills, real films."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import FaceCrop

from telltale_export.faces.blending import change_view
from telltale_export.faces.chips import Face, FaceSet
from telltale_export.faces.degradation import draw_degradation
from telltale_export.faces.films import still_film
from telltale_export.faces.generated import cut_about, resized, turned
from telltale_export.faces.measuring import Collection

# Of the face box, in pixels.
_LARGEST = 180


def stills(faces: FaceSet, chosen: Sequence[int], spec: FaceCrop, random: np.random.Generator) -> Collection:
    """Each face twice, turned, scaled, coloured and degraded by chance, JPEG last; nothing knows its class."""
    collection = Collection()
    for index in [*chosen, *chosen]:
        chip = faces.chips[index]
        if random.random() < 0.4:
            chip = turned(chip, float(random.uniform(-15, 15)))
        chip = resized(chip, _LARGEST, random)
        if random.random() < 0.5:
            chip = change_view(chip, random)
        chip = draw_degradation(random, "jpeg")(chip)
        margin = spec.margin * float(random.uniform(0.86, 1.0))
        _put(collection, faces.faces[index], cut_about(chip, margin, spec.size, random))
    return collection


def films_of_stills(faces: FaceSet, chosen: Sequence[int], spec: FaceCrop, random: np.random.Generator) -> Collection:
    """The camera wandering over each face, as H.264."""
    collection = Collection()
    for index in chosen:
        _put(collection, faces.faces[index], still_film(faces, index, spec.margin, spec.size, random))
    return collection


def genuine_films(faces: FaceSet, spec: FaceCrop) -> Collection:
    """All genuine films, as they are served."""
    collection = Collection()
    films: dict[str, list[int]] = defaultdict(list)
    for index, face in enumerate(faces.faces):
        if face.modality == "video" and face.label == "real":
            films[face.path].append(index)
    for indices in films.values():
        _put(collection, faces.faces[indices[0]], faces.served[spec.key()][indices])
    return collection


def _put(collection: Collection, face: Face, crops: NDArray[np.uint8]) -> None:
    collection.add(crops, fake=face.label == "fake", family=face.family, source=face.source, group=face.group)
