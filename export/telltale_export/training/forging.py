"""Forge genuine faces while training: self-blended images (Shiohara and Yamasaki 2022) of crops without landmarks.

A crop lies about its face's box, so an ellipse or a rectangle in that box stands for the mask that ``train face-blend``
draws from a mesh of the face.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import FaceCrop, InputSpec

from telltale_export.faces.blending import Picture, Plane, compose, displace, two_views, wobble

Items = NDArray[np.generic]
Forge = Callable[[Items, np.random.Generator], Items]


def forging_for(spec: InputSpec) -> Forge | None:
    """What makes a forged item of a genuine one; none where the items are no face crops."""
    if not isinstance(spec, FaceCrop):
        return None
    margin = spec.margin
    return lambda item, random: self_blended(np.asarray(item, dtype=np.uint8), margin, random)


def self_blended(face: Picture, margin: float, random: np.random.Generator) -> Picture:
    """A face blended with another view of itself.

    Args:
        face: uint8 [S, S, 3] RGB, a genuine crop.
        margin: its side, in longer sides of the face's box.
        random: decides everything; the same state gives the same forgery.
    """
    target, source = two_views(face, random)
    source, _ = displace(source, random)
    return compose(source, target, box_mask(face.shape[0], margin, random)).forged


def box_mask(size: int, margin: float, random: np.random.Generator) -> Plane:
    """Where to forge: float32 [size, size] in [0, 1], bent and with a soft edge."""
    box = size / margin
    centre = size / 2 + random.uniform(-0.05, 0.05, 2) * box
    half = box * np.array([random.uniform(0.28, 0.42), random.uniform(0.35, 0.5)])
    plane = np.zeros((size, size), np.float32)
    if random.random() < 0.8:
        axes = (
            (float(centre[0]), float(centre[1])),
            (float(2 * half[0]), float(2 * half[1])),
            float(random.uniform(-10, 10)),
        )
        cv2.ellipse(plane, axes, 1.0, -1)
    else:
        low, high = np.rint(centre - half), np.rint(centre + half)
        cv2.rectangle(plane, low.astype(int).tolist(), high.astype(int).tolist(), 1.0, -1)
    grid_x, grid_y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    amplitude = float(random.uniform(0.003, 0.02)) * size
    bent_x, bent_y = grid_x + wobble(size, 6, amplitude, random), grid_y + wobble(size, 6, amplitude, random)
    bent = cv2.remap(plane, bent_x, bent_y, cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(bent, (0, 0), float(size * np.exp(random.uniform(np.log(0.006), np.log(0.045)))))
    return np.asarray(np.clip(soft * random.uniform(0.5, 1.0), 0.0, 1.0), dtype=np.float32)
