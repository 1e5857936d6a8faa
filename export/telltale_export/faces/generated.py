"""Batches for face-synthesis: patches of generated and photographed faces, framed, coloured and degraded alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np

from telltale_export.faces.blending import Picture, change_view
from telltale_export.faces.chips import CHIP, FaceSet, cut, scaled
from telltale_export.faces.degradation import draw_degradation
from telltale_export.faces.training import Batch

MARGIN = 1.0
SIZE = 160
# What the network learns from: patches of the crop, so that it cannot learn how faces are framed, and sees more of them
# in the same time.
PATCH, PATCHES_EACH = 128, 2
# Of the face box, in pixels: at most what every source has, so that no face is told by having been enlarged.
SMALLEST, LARGEST = 72, 150
# A crop that shows padding would tell portraits, cut close by whoever published them, from generated faces.
MOST_OUTSIDE = 0.01
NARROWEST = 0.6


class GeneratedFaces:
    """Draws from the faces at ``chosen``: each source and class equally often, however many there are."""

    def __init__(self, faces: FaceSet, chosen: Sequence[int], seed: int) -> None:
        self._faces = faces
        self._seed = seed
        self._overflow = np.array([face.overflow for face in faces.faces])
        cells: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index in chosen:
            cells[(faces.faces[index].label, faces.faces[index].source)].append(index)
        self._cells = {
            label: [np.array(members) for (of, _), members in sorted(cells.items()) if of == label]
            for label in ("real", "fake")
        }
        if not all(self._cells.values()):
            raise ValueError("both real and generated faces are needed")

    def batch(self, number: int, size: int) -> Batch:
        """Batch ``number`` of ``size`` patches, uint8 [size, PATCH, PATCH, 3], half of them generated."""
        random = np.random.default_rng((self._seed, number))
        patches = []
        for label in ("real", "fake"):
            for _ in range(size // 2 // PATCHES_EACH):
                crop = self._draw(label, random)
                for _ in range(PATCHES_EACH):
                    y, x = random.integers(0, SIZE - PATCH + 1, 2)
                    patches.append(crop[y : y + PATCH, x : x + PATCH])
        return Batch(np.stack(patches), np.repeat(np.array([0.0, 1.0], np.float32), len(patches) // 2))

    def _draw(self, label: str, random: np.random.Generator) -> Picture:
        # The margin first, and of the faces one that lies inside the picture with it: how much of a face is to be seen
        # then says nothing of who took it.
        margin = float(random.uniform(NARROWEST, MARGIN))
        members = self._cells[label][int(random.integers(len(self._cells[label])))]
        inside = members[self._overflow[members] + (margin - 1.0) / 2 <= MOST_OUTSIDE]
        index = int(random.choice(inside if len(inside) else members))
        return draw_crop(self._faces.chips[index], margin, random)


def draw_crop(chip: Picture, margin: float, random: np.random.Generator) -> Picture:
    """A crop of a chip after everything that may happen to it in training, uint8 [SIZE, SIZE, 3]."""
    if random.random() < 0.5:
        chip = turned(chip, float(random.uniform(-20, 20)))
    chip = resized(chip, LARGEST, random)
    if random.random() < 0.8:
        chip = _other_colours(chip, random)
    if random.random() < 0.25:
        chip = change_view(chip, random)
    return cut_about(draw_degradation(random)(chip), margin, SIZE, random)


def turned(chip: Picture, degrees: float) -> Picture:
    """A chip turned about its middle."""
    half = (chip.shape[0] - 1) / 2
    turn = cv2.getRotationMatrix2D((half, half), degrees, 1.0)
    size = (chip.shape[1], chip.shape[0])
    level = cv2.warpAffine(chip, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(level, dtype=np.uint8)


def resized(chip: Picture, largest: int, random: np.random.Generator) -> Picture:
    """A chip whose face box has from ``SMALLEST`` to ``largest`` pixels, every octave alike."""
    side = np.exp(random.uniform(np.log(SMALLEST), np.log(largest))) * CHIP.margin
    return scaled(chip, np.zeros((0, 2), np.float32), int(side) // 2 * 2)[0]


def cut_about(chip: Picture, margin: float, size: int, random: np.random.Generator) -> Picture:
    """A crop a little off the face's middle, mirrored or not; uint8 [size, size, 3]."""
    shift = (float(random.uniform(-0.04, 0.04)), float(random.uniform(-0.04, 0.04)))
    crop = cut(chip, margin, size, shift)
    return np.ascontiguousarray(crop[:, ::-1]) if random.random() < 0.5 else crop


def _other_colours(chip: Picture, random: np.random.Generator) -> Picture:
    """Other light, white balance and film: how whoever publishes pictures likes them."""
    picture = chip.astype(np.float32)
    mean = float(picture.mean())
    picture = (picture - mean) * random.uniform(0.7, 1.3) + mean * random.uniform(0.75, 1.25)
    picture *= random.uniform(0.88, 1.12, 3)
    changed = np.clip(picture, 0, 255).astype(np.uint8)
    kind = random.random()
    if kind < 0.2:
        grey = cv2.cvtColor(changed, cv2.COLOR_RGB2GRAY)
        return np.repeat(np.asarray(grey, dtype=np.uint8)[:, :, None], 3, axis=2)
    if kind < 0.6:
        hsv = cv2.cvtColor(changed, cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv[:, :, 0] = (hsv[:, :, 0] + random.uniform(-5, 5)) % 180
        hsv[:, :, 1] *= random.uniform(0.5, 1.5)
        changed = np.asarray(cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB), dtype=np.uint8)
    return changed
