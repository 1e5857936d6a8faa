"""Faces to learn from: cut by a running preprocess-service, so that training sees what serving sees, and kept on disk.

A chip is a face with some surroundings, from which training cuts its own crops; beside it lie the crops that a served
detector would have been given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import FaceCrop, FaceObservation, Recipe, Sampling, TensorBundle

from telltale_export.data import MediaItem
from telltale_export.errors import DataError
from telltale_export.faces.mesh import FaceMesh
from telltale_export.preprocessing import fetch_bundle
from telltale_export.served.http import Refused

CHIP = FaceCrop(size=352, margin=1.6)
FRAMES = 32


@dataclass(frozen=True)
class Face:
    """Where one chip came from.

    ``side`` is the face box's longer side in the medium's pixels; ``overflow`` how far a crop of margin 1 reaches out
    of the picture, in box sides (negative when it lies inside); ``label`` of the medium: real or fake.
    """

    path: str
    modality: str
    label: str
    family: str
    source: str
    group: str
    frame: int
    side: float
    overflow: float

    def outside(self, margin: float) -> float:
        """How much of a crop of that margin lies outside the picture on its worst side, in box sides."""
        return max(0.0, self.overflow + (margin - 1.0) / 2)


@dataclass(frozen=True)
class FaceSet:
    """Faces, their chips, their meshes (NaN where none was found), and the crops that were asked for beside."""

    faces: tuple[Face, ...]
    chips: NDArray[np.uint8]
    points: NDArray[np.float32]
    served: dict[str, NDArray[np.uint8]]

    def where(self, wanted: Callable[[Face], bool], *, meshed: bool = False) -> list[int]:
        """Indices of the faces that are wanted, of those with a mesh only when asked."""
        return [
            index
            for index, face in enumerate(self.faces)
            if wanted(face) and (not meshed or bool(np.isfinite(self.points[index]).all()))
        ]


def scaled(
    chip: NDArray[np.uint8], points: NDArray[np.float32], side: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A chip and its mesh scaled to [side, side]."""
    factor = side / chip.shape[0]
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(chip, (side, side), interpolation=method), dtype=np.uint8), points * np.float32(factor)


def cut(
    chip: NDArray[np.uint8], margin: float, size: int, shift: tuple[float, float] = (0.0, 0.0)
) -> NDArray[np.uint8]:
    """A crop of a chip as the service cuts it from the picture: uint8 [size, size, 3].

    Args:
        chip: uint8 [S, S, 3], of margin ``CHIP.margin``.
        margin: of the crop, over the face box's longer side.
        size: its side in pixels.
        shift: of its centre, x and y in box sides.
    """
    unit = chip.shape[0] / CHIP.margin
    whole = max(1, round(unit * margin))
    x, y = (round(chip.shape[0] / 2 + offset * unit - whole / 2) for offset in shift)
    x, y = (min(max(0, start), chip.shape[0] - whole) for start in (x, y))
    patch = chip[y : y + whole, x : x + whole]
    method = cv2.INTER_AREA if whole > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(patch, (size, size), interpolation=method), dtype=np.uint8)


def gather(
    items: Sequence[MediaItem], beside: Sequence[FaceCrop], service: str, mesh: FaceMesh, cache: Path
) -> FaceSet:
    """The largest face of each medium, in up to ``FRAMES`` frames of a video; read from the cache when it is there.

    Args:
        items: images and videos.
        beside: crops as detectors are served, kept under ``FaceCrop.key()``.
        service: the preprocess-service's URL.
        mesh: finds the mesh of each chip.
        cache: a folder that may grow by 0.5 MB a face.

    Raises:
        DataError: the service cannot be reached, or fails on a medium that it should be able to read.
    """
    names = "\n".join([CHIP.key(), *(spec.key() for spec in beside), *(f"{i.path} {i.group}" for i in items)])
    folder = cache / f"faces-{hashlib.sha256(names.encode()).hexdigest()[:12]}"
    if not (folder / "faces.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _store(folder, *_fetch(items, beside, service, mesh))
    return load(folder, beside)


def load(folder: Path, beside: Sequence[FaceCrop]) -> FaceSet:
    """A set that ``gather`` stored; the pictures stay on disk until they are looked at."""
    faces = tuple(Face(**row) for row in json.loads((folder / "faces.json").read_text(encoding="utf-8")))
    return FaceSet(
        faces=faces,
        chips=np.load(folder / "chips.npy", mmap_mode="r"),
        points=np.load(folder / "points.npy"),
        served={spec.key(): np.load(folder / f"{spec.key()}.npy", mmap_mode="r") for spec in beside},
    )


def _store(
    folder: Path, faces: list[Face], points: list[NDArray[np.float32]], tensors: dict[str, list[NDArray[np.uint8]]]
) -> None:
    np.save(folder / "points.npy", np.stack(points))
    for key, pictures in tensors.items():
        np.save(folder / ("chips.npy" if key == CHIP.key() else f"{key}.npy"), np.stack(pictures))
    # Written last: its presence says that the set is whole.
    (folder / "faces.json").write_text(json.dumps([asdict(face) for face in faces]), encoding="utf-8")


def _fetch(
    items: Sequence[MediaItem], beside: Sequence[FaceCrop], service: str, mesh: FaceMesh
) -> tuple[list[Face], list[NDArray[np.float32]], dict[str, list[NDArray[np.uint8]]]]:
    recipe = Recipe.union([CHIP, *beside], Sampling(max_frames=FRAMES)).model_dump_json()
    faces: list[Face] = []
    points: list[NDArray[np.float32]] = []
    tensors: dict[str, list[NDArray[np.uint8]]] = {spec.key(): [] for spec in (CHIP, *beside)}
    with httpx.Client(base_url=service, timeout=120.0) as client:
        for item in items:
            try:
                bundle = fetch_bundle(client, item.path, recipe)
            except Refused as refused:
                if not refused.unfit:
                    raise
                continue
            if CHIP.key() not in bundle.tensors:
                continue
            track = max(bundle.metadata.tracks, key=lambda t: sum(o.box[2] * o.usable for o in t.observations))
            rows = np.flatnonzero(bundle.track[CHIP.key()] == track.track)
            places = {int(bundle.frame[CHIP.key()][row]): int(row) for row in rows}
            for seen in track.observations:
                if seen.frame in places:
                    row = places[seen.frame]
                    faces.append(_face(item, bundle, seen))
                    points.append(_mesh(mesh, bundle.tensors[CHIP.key()][row], seen))
                    for key, kept in tensors.items():
                        kept.append(bundle.tensors[key][row])
    if not faces:
        raise DataError("No face was found in any medium.", "Give media with faces.")
    return faces, points, tensors


def _face(item: MediaItem, bundle: TensorBundle, seen: FaceObservation) -> Face:
    width, height = bundle.metadata.media.width or 0, bundle.metadata.media.height or 0
    x, y, w, h = seen.box
    side = max(w, h)
    left, top = x + w / 2 - side / 2, y + h / 2 - side / 2
    overflow = max(-left, -top, left + side - width, top + side - height) / side
    return Face(
        path=f"{item.modality}/{item.label}/{item.path.name}",
        modality=item.modality,
        label=item.label,
        family=item.family,
        source=item.source,
        group=item.group,
        frame=bundle.metadata.frames[seen.frame].index,
        side=round(side, 1),
        overflow=round(overflow, 4),
    )


def _mesh(mesh: FaceMesh, chip: NDArray[np.generic], seen: FaceObservation) -> NDArray[np.float32]:
    x, y, w, h = seen.box
    factor = CHIP.size / (CHIP.margin * max(w, h))
    middle = (x + w / 2, y + h / 2)
    right, left = (
        (
            (point[0] - middle[0]) * factor + CHIP.size / 2,
            (point[1] - middle[1]) * factor + CHIP.size / 2,
        )
        for point in seen.landmarks[:2]
    )
    found = mesh.find(chip.astype(np.uint8), (right, left), CHIP.margin)
    return np.full((468, 2), np.nan, np.float32) if found is None else found
