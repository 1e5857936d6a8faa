"""Batches for face-synthesis: generated and photographed faces, scaled, turned and degraded alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from telltale_export.faces.blending import Picture, change_view
from telltale_export.faces.chips import CHIP, FaceSet, cut, scaled
from telltale_export.faces.degradation import draw_degradation
from telltale_export.faces.training import Batch

MARGIN = 1.0
SIZE = 160
# Of the face box, in pixels: below what any source has, so that no face is told by having been enlarged.
SMALLEST, LARGEST = 72, 180
# A crop that shows padding would tell portraits, cut close by whoever published them, from generated faces.
MOST_OUTSIDE = 0.01


class GeneratedFaces:
    """Draws crops of the faces at ``chosen``: each source and class equally often, however many there are."""

    def __init__(self, faces: FaceSet, chosen: Sequence[int], seed: int) -> None:
        self._faces = faces
        self._random = np.random.default_rng(seed)
        cells: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index in chosen:
            cells[(faces.faces[index].label, faces.faces[index].source)].append(index)
        self._cells = {
            label: [members for (of, _), members in sorted(cells.items()) if of == label] for label in ("real", "fake")
        }
        if not all(self._cells.values()):
            raise ValueError("both real and generated faces are needed")

    def draw(self, index: int, codec: str | None = None) -> Picture:
        """One crop of a face, uint8 [SIZE, SIZE, 3], after its own draw of everything that may happen to it."""
        random = self._random
        chip = self._faces.chips[index]
        if random.random() < 0.4:
            chip = _turn(chip, float(random.uniform(-15, 15)))
        side = int(np.exp(random.uniform(np.log(SMALLEST), np.log(LARGEST))) * CHIP.margin) // 2 * 2
        chip, _ = scaled(chip, self._faces.points[index], side)
        if random.random() < 0.5:
            chip = change_view(chip, random)
        chip = draw_degradation(random, codec)(chip)
        shift = (float(random.uniform(-0.04, 0.04)), float(random.uniform(-0.04, 0.04)))
        crop = cut(chip, MARGIN * float(random.uniform(0.86, 1.0)), SIZE, shift)
        return np.ascontiguousarray(crop[:, ::-1]) if random.random() < 0.5 else crop

    def batches(self, size: int) -> Iterator[Batch]:
        """Endless batches of ``size`` crops, half of them generated."""
        while True:
            half = size // 2
            pictures = [self.draw(self._pick("real")) for _ in range(half)]
            pictures += [self.draw(self._pick("fake")) for _ in range(half)]
            yield Batch(np.stack(pictures), np.repeat(np.array([0.0, 1.0], np.float32), half))

    def _pick(self, label: str) -> int:
        cells = self._cells[label]
        members = cells[int(self._random.integers(len(cells)))]
        return members[int(self._random.integers(len(members)))]


def _turn(chip: Picture, degrees: float) -> Picture:
    half = (chip.shape[0] - 1) / 2
    turn = cv2.getRotationMatrix2D((half, half), degrees, 1.0)
    size = (chip.shape[1], chip.shape[0])
    turned = cv2.warpAffine(chip, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, dtype=np.uint8)
