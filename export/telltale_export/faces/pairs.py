"""Batches for face-blend: genuine faces, each beside a blend of it that went through exactly the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale_export.faces.blending import Blend, Picture, change_view, cross_blend, lose_detail, self_blend
from telltale_export.faces.chips import CHIP, FaceSet, cut, scaled
from telltale_export.faces.degradation import cut_off, draw_degradation, motion_blur, unchanged
from telltale_export.faces.training import Batch

MARGIN = 1.1
SIZE = 160
# Of the face box, in pixels: from what is barely usable to what the chips hold.
SMALLEST, LARGEST = 80, int(CHIP.size / CHIP.margin)
CROSS_SHARE = 0.25
VIDEO_SHARE = 0.35
# How often a face was soft, or moved, before anything was blended into it, and how often the picture ends within it:
# none of these makes a forgery, and each looks like one to who has never seen it.
SOFT_SHARE, MOVING_SHARE, CUT_SHARE = 0.25, 0.1, 0.2
# The seam is taught at the size of the network's maps halfway up.
SEAM_CELLS = SIZE // 16


@dataclass(frozen=True)
class Pair:
    """A genuine crop and its blend, uint8 [SIZE, SIZE, 3], and where the seam is, float32 [cells, cells], 0 to 1."""

    genuine: Picture
    forged: Picture
    seam: NDArray[np.float32]


class BlendPairs:
    """Draws pairs from the faces at ``chosen``: people alike often, however many frames there are of each."""

    def __init__(self, faces: FaceSet, chosen: Sequence[int], seed: int) -> None:
        self._faces = faces
        self._seed = seed
        self._people: dict[bool, list[list[int]]] = {}
        for video in (False, True):
            groups: dict[str, list[int]] = defaultdict(list)
            for index in chosen:
                if (faces.faces[index].modality == "video") == video:
                    groups[faces.faces[index].group].append(index)
            if groups:
                self._people[video] = list(groups.values())

    def batch(self, number: int, size: int) -> Batch:
        """Batch ``number`` of ``size`` crops: the genuine ones first, their blends in the same order after them."""
        random = np.random.default_rng((self._seed, number))
        pairs = [self.draw(random) for _ in range(size // 2)]
        pictures = np.stack([pair.genuine for pair in pairs] + [pair.forged for pair in pairs])
        seams = np.stack([np.zeros_like(pair.seam) for pair in pairs] + [pair.seam for pair in pairs])
        return Batch(pictures, np.repeat(np.array([0.0, 1.0], np.float32), size // 2), paired=True, seams=seams)

    def draw(self, random: np.random.Generator, codec: str | None = None) -> Pair:
        """One genuine crop and its blend; ``codec`` as in ``draw_degradation``."""
        blend = self.draw_blend(random)
        degrade = draw_degradation(random, codec)
        margin = MARGIN * float(random.uniform(0.93, 1.1))
        shift = (float(random.uniform(-0.04, 0.04)), float(random.uniform(-0.04, 0.04)))
        flip = slice(None, None, -1 if random.random() < 0.5 else 1)
        end = cut_off(random, margin / CHIP.margin) if random.random() < CUT_SHARE else unchanged
        genuine, forged = (
            np.ascontiguousarray(cut(end(degrade(picture)), margin, SIZE, shift)[:, flip])
            for picture in (blend.genuine, blend.forged)
        )
        seam = cut(end(_seam(blend.mask)), margin, SEAM_CELLS, shift)[:, flip]
        return Pair(genuine, forged, seam.astype(np.float32) / np.float32(255))

    def draw_blend(self, random: np.random.Generator) -> Blend:
        """One chip and its blend before anything else happens to them."""
        index = self._pick(random)
        largest = int(np.clip(self._faces.faces[index].side, SMALLEST, LARGEST))
        side = int(np.exp(random.uniform(np.log(SMALLEST), np.log(largest))) * CHIP.margin) // 2 * 2
        chip, points = scaled(self._faces.chips[index], self._faces.points[index], side)
        if random.random() < 0.3:
            chip = change_view(chip, random)
        if random.random() < SOFT_SHARE:
            chip = lose_detail(chip, random)
        if random.random() < MOVING_SHARE:
            chip = motion_blur(chip, random)
        if random.random() >= CROSS_SHARE:
            return self_blend(chip, points, random)
        other = self._similar(index, random)
        return cross_blend(chip, points, *scaled(self._faces.chips[other], self._faces.points[other], side), random)

    def _pick(self, random: np.random.Generator) -> int:
        video = len(self._people) == 2 and random.random() < VIDEO_SHARE
        people = self._people.get(video) or next(iter(self._people.values()))
        frames = people[int(random.integers(len(people)))]
        return frames[int(random.integers(len(frames)))]

    def _similar(self, index: int, random: np.random.Generator) -> int:
        """Another person whose face is turned alike: the best of a few by the mesh's shape."""
        group = self._faces.faces[index].group
        others = [other for other in (self._pick(random) for _ in range(12)) if self._faces.faces[other].group != group]
        shape = _shape(self._faces.points[index])
        return min(others or [index], key=lambda other: float(np.abs(_shape(self._faces.points[other]) - shape).mean()))


def _seam(mask: NDArray[np.float32]) -> Picture:
    """Where two pictures were mixed, as Face X-ray has it (Li 2020): 255 where half of each, uint8 [S, S]."""
    share = mask / max(float(mask.max()), 1e-6)
    return np.asarray(np.rint(4 * share * (1 - share) * 255), dtype=np.uint8)


def _shape(points: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = points - points.mean(axis=0)
    return np.asarray(centred / np.abs(centred).max(), dtype=np.float32)
