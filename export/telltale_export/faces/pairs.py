"""Batches for face-blend: genuine faces, each beside a blend of it that went through exactly the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale_export.faces.blending import Blend, Picture, change_view, cross_blend, self_blend
from telltale_export.faces.chips import CHIP, FaceSet, cut, scaled
from telltale_export.faces.degradation import draw_degradation
from telltale_export.faces.training import Batch

MARGIN = 1.1
SIZE = 160
# Of the face box, in pixels: from what is barely usable to what the chips hold.
SMALLEST, LARGEST = 80, int(CHIP.size / CHIP.margin)
CROSS_SHARE = 0.25
VIDEO_SHARE = 0.35


class BlendPairs:
    """Draws pairs from the faces at ``chosen``: people alike often, however many frames there are of each."""

    def __init__(self, faces: FaceSet, chosen: Sequence[int], seed: int) -> None:
        self._faces = faces
        self._random = np.random.default_rng(seed)
        self._people: dict[bool, list[list[int]]] = {}
        for video in (False, True):
            groups: dict[str, list[int]] = defaultdict(list)
            for index in chosen:
                if (faces.faces[index].modality == "video") == video:
                    groups[faces.faces[index].group].append(index)
            if groups:
                self._people[video] = list(groups.values())

    def draw(self, codec: str | None = None) -> tuple[Picture, Picture]:
        """One genuine crop and its blend, uint8 [SIZE, SIZE, 3]; ``codec`` as in ``draw_degradation``."""
        random = self._random
        blend = self.draw_blend()
        degrade = draw_degradation(random, codec)
        margin = MARGIN * float(random.uniform(0.93, 1.1))
        shift = (float(random.uniform(-0.04, 0.04)), float(random.uniform(-0.04, 0.04)))
        flip = random.random() < 0.5
        pair = [cut(degrade(picture), margin, SIZE, shift) for picture in (blend.genuine, blend.forged)]
        genuine, forged = (np.ascontiguousarray(crop[:, ::-1]) if flip else crop for crop in pair)
        return genuine, forged

    def draw_blend(self) -> Blend:
        """One chip and its blend before anything else happens to them."""
        random = self._random
        index = self._pick()
        largest = int(np.clip(self._faces.faces[index].side, SMALLEST, LARGEST))
        side = int(np.exp(random.uniform(np.log(SMALLEST), np.log(largest))) * CHIP.margin) // 2 * 2
        chip, points = scaled(self._faces.chips[index], self._faces.points[index], side)
        if random.random() < 0.3:
            chip = change_view(chip, random)
        if random.random() >= CROSS_SHARE:
            return self_blend(chip, points, random)
        other = self._similar(index)
        return cross_blend(chip, points, *scaled(self._faces.chips[other], self._faces.points[other], side), random)

    def batches(self, size: int) -> Iterator[Batch]:
        """Endless batches of ``size`` crops: the genuine ones first, their blends in the same order after them."""
        while True:
            pairs = [self.draw() for _ in range(size // 2)]
            pictures = np.stack([genuine for genuine, _ in pairs] + [forged for _, forged in pairs])
            yield Batch(pictures, np.repeat(np.array([0.0, 1.0], np.float32), size // 2), paired=True)

    def _pick(self) -> int:
        random = self._random
        video = len(self._people) == 2 and random.random() < VIDEO_SHARE
        people = self._people.get(video) or next(iter(self._people.values()))
        frames = people[int(random.integers(len(people)))]
        return frames[int(random.integers(len(frames)))]

    def _similar(self, index: int) -> int:
        """Another person whose face is turned alike: the best of a few by the mesh's shape."""
        group = self._faces.faces[index].group
        others = [other for other in (self._pick() for _ in range(12)) if self._faces.faces[other].group != group]
        shape = _shape(self._faces.points[index])
        return min(others or [index], key=lambda other: float(np.abs(_shape(self._faces.points[other]) - shape).mean()))


def _shape(points: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = points - points.mean(axis=0)
    return np.asarray(centred / np.abs(centred).max(), dtype=np.float32)


def limit_threads() -> None:
    """Keep OpenCV to one thread: its pool costs more than it gives at these sizes."""
    cv2.setNumThreads(1)
