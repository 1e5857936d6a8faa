"""Self-blended images (Shiohara and Yamasaki 2022): what a face swap leaves behind, made from genuine faces only.

A face is laid over itself (or over another's) in a slightly different colour, sharpness and place, along a deformed
mask: the seam and the mismatch across it are all that tells the result from the original.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale_export.faces import mesh

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]
Points = NDArray[np.float32]


@dataclass(frozen=True)
class Blend:
    """A genuine view, its forgery (both uint8 [S, S, 3]) and where it was forged (float32 [S, S], 0 to 1)."""

    genuine: Picture
    forged: Picture
    mask: Plane


def two_views(face: Picture, random: np.random.Generator) -> tuple[Picture, Picture]:
    """A face as what is forged, and as what is laid over it: one of the two in other colours and frequencies."""
    target, source = face, face
    if random.random() < 0.5:
        source = change_view(face, random)
    else:
        target = change_view(face, random)
    if random.random() < 0.35:
        source = lose_detail(source, random)
    return target, source


def self_blend(face: Picture, points: Points, random: np.random.Generator) -> Blend:
    """Blend a face with another view of itself.

    The genuine half of the pair is the target itself, with whatever was done to it, so that nothing outside the mask
    tells the two apart.

    Args:
        face: uint8 [S, S, 3] RGB.
        points: the mesh, float32 [468, 2], in its pixels.
        random: decides everything; the same state gives the same pair.
    """
    target, source = two_views(face, random)
    source, warp = displace(source, random)
    mask = blend_mask(points, face.shape[0], random)
    mask = np.asarray(cv2.remap(mask, *warp, cv2.INTER_LINEAR), dtype=np.float32)
    return compose(source, target, mask)


def cross_blend(face: Picture, points: Points, other: Picture, others: Points, random: np.random.Generator) -> Blend:
    """Blend another person's face into a face, aligned by the mesh and with its colours matched in LAB.

    Args:
        face, points: the target, as for ``self_blend``.
        other, others: the face that is laid over it, and its mesh.
        random: decides everything.
    """
    size = face.shape[0]
    index = np.array(mesh.OVAL + mesh.EYES + mesh.NOSE + mesh.LIPS)
    affine, _ = cv2.estimateAffine2D(others[index], points[index], method=cv2.LMEDS)
    moved = cv2.warpAffine(other, affine, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = polygon(points[list(mesh.OVAL)], size) > 0.5
    source = match_colour(np.asarray(moved, dtype=np.uint8), face, inside, float(random.uniform(0.7, 1.0)))
    if random.random() < 0.4:
        source = lose_detail(source, random)
    mask = blend_mask(points, size, random, ratio=1.0)
    return compose(source, face, mask)


def compose(source: Picture, target: Picture, mask: Plane) -> Blend:
    """source x mask + target x (1 - mask); where the mask is 0 the target stays as it is, bit for bit."""
    weight = mask[:, :, None]
    mixed = target.astype(np.float32) + (source.astype(np.float32) - target.astype(np.float32)) * weight
    return Blend(target, np.clip(np.rint(mixed), 0, 255).astype(np.uint8), mask)


def change_view(face: Picture, random: np.random.Generator) -> Picture:
    """Other colours and another sharpness, as another camera would give; how much is drawn too."""
    strength = float(random.uniform(0.25, 1.0))
    picture = face.astype(np.float32)
    picture += random.uniform(-20, 20, 3).astype(np.float32) * strength
    contrast = 1.0 + float(random.uniform(-0.15, 0.15)) * strength
    brightness = float(random.uniform(-0.1, 0.1)) * 255 * strength
    mean = float(picture.mean())
    picture = (picture - mean) * contrast + mean + brightness
    changed = np.clip(picture, 0, 255).astype(np.uint8)
    if random.random() < 0.6:
        hsv = cv2.cvtColor(changed, cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv[:, :, 0] = (hsv[:, :, 0] + random.uniform(-6, 6) * strength) % 180
        hsv[:, :, 1:] *= 1.0 + random.uniform(-0.25, 0.25, 2).astype(np.float32) * strength
        rgb = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB)
        changed = np.asarray(rgb, dtype=np.uint8)
    if random.random() < 0.5:
        soften = random.random() < 0.5
        changed = lose_detail(changed, random) if soften else sharpen(changed, float(random.uniform(0.2, 0.8)))
    return changed


def sharpen(face: Picture, amount: float) -> Picture:
    """Unsharp masking with a radius of 1.5 pixels."""
    soft = cv2.GaussianBlur(face, (0, 0), 1.5)
    return np.asarray(cv2.addWeighted(face, 1 + amount, soft, -amount, 0), dtype=np.uint8)


def lose_detail(face: Picture, random: np.random.Generator) -> Picture:
    """Down and up again by 1.2 to 3, as the small picture of a face generator is."""
    size = face.shape[0]
    small = max(24, int(size / random.uniform(1.2, 3.0)))
    down = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)
    up = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)[int(random.integers(3))]
    return np.asarray(cv2.resize(down, (size, size), interpolation=up), dtype=np.uint8)


def displace(face: Picture, random: np.random.Generator) -> tuple[Picture, tuple[Plane, Plane]]:
    """Shift, scale and bend a face a little; also the maps (cv2.remap) that did it."""
    size = face.shape[0]
    grid_x, grid_y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    scale = 1.0 / random.uniform(0.95, 1.05, 2)
    shift = random.uniform(-1, 1, 2) * (0.02 * size, 0.012 * size)
    map_x = (grid_x - size / 2) * np.float32(scale[0]) + np.float32(size / 2 + shift[0])
    map_y = (grid_y - size / 2) * np.float32(scale[1]) + np.float32(size / 2 + shift[1])
    bend = wobble(size, 7, 0.006 * size, random), wobble(size, 7, 0.006 * size, random)
    maps = map_x + bend[0], map_y + bend[1]
    moved = cv2.remap(face, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.uint8), maps


def wobble(size: int, knots: int, amplitude: float, random: np.random.Generator) -> Plane:
    """A smooth random field, float32 [size, size], of about that standard deviation."""
    coarse = random.standard_normal((knots, knots)).astype(np.float32) * np.float32(amplitude)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def polygon(points: Points, size: int) -> Plane:
    """The convex hull of points, filled with 1: float32 [size, size]."""
    plane = np.zeros((size, size), np.float32)
    hull = cv2.convexHull(np.rint(points).astype(np.int32))
    cv2.fillConvexPoly(plane, hull, 1.0)
    return plane


def blend_mask(points: Points, size: int, random: np.random.Generator, ratio: float | None = None) -> Plane:
    """Where to forge: a hull, an ellipse or the inner face, bent, softened and, for some, half transparent.

    Args:
        points: the mesh in pixels.
        size: side of the picture.
        random: decides everything.
        ratio: the mask's highest value; drawn when not given.
    """
    plane = _region(points, size, random)
    amplitude = float(random.uniform(0.003, 0.02)) * size
    grid_x, grid_y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    bent_x, bent_y = grid_x + wobble(size, 6, amplitude, random), grid_y + wobble(size, 6, amplitude, random)
    plane = np.asarray(cv2.remap(plane, bent_x, bent_y, cv2.INTER_LINEAR), dtype=np.float32)
    sigma = float(size * np.exp(random.uniform(np.log(0.004), np.log(0.045))))
    soft = cv2.GaussianBlur(plane, (0, 0), sigma)
    if random.random() < 0.5:
        # Drawn inwards again, so that the seam lies inside the face and not around it.
        soft = cv2.GaussianBlur((soft > 0.8).astype(np.float32), (0, 0), sigma)
    soft[soft < 1 / 255] = 0.0
    top = ratio if ratio is not None else (0.5, 0.75, 1.0, 1.0, 1.0, 1.0)[int(random.integers(6))]
    return np.asarray(soft * np.float32(top), dtype=np.float32)


def _region(points: Points, size: int, random: np.random.Generator) -> Plane:
    kind = random.random()
    if kind < 0.45:
        return polygon(points, size)
    if kind < 0.65:
        return polygon(points[list(mesh.BROWS + mesh.LIPS + mesh.CHIN)], size)
    if kind < 0.75:
        return polygon(points[list(mesh.BROWS + mesh.EYES + mesh.NOSE + mesh.LIPS)], size)
    oval = points[list(mesh.OVAL)]
    if kind < 0.9:
        plane = np.zeros((size, size), np.float32)
        (x, y), (width, height), angle = cv2.fitEllipse(oval)
        grow = float(random.uniform(0.85, 1.1))
        cv2.ellipse(plane, ((x, y), (width * grow, height * grow), angle), 1.0, -1)
        return plane
    # A generator's square, as the crudest swaps paste it.
    low, high = oval.min(axis=0), oval.max(axis=0)
    trim = (high - low) * random.uniform(0.0, 0.15, 2)
    corners = np.array([low + trim, (high[0] - trim[0], low[1] + trim[1]), high - trim, (low[0] + trim[0], high[1])])
    return polygon(corners.astype(np.float32), size)


def match_colour(source: Picture, target: Picture, inside: NDArray[np.bool_], amount: float) -> Picture:
    """Give the source the target's mean and deviation in LAB (Reinhard 2001), both measured inside a mask."""
    lab, wanted = (cv2.cvtColor(p, cv2.COLOR_RGB2LAB).astype(np.float32) for p in (source, target))
    mean, deviation = lab[inside].mean(axis=0), lab[inside].std(axis=0) + 1.0
    goal, spread = wanted[inside].mean(axis=0), wanted[inside].std(axis=0) + 1.0
    matched = (lab - mean) * np.clip(spread / deviation, 0.5, 2.0) + goal
    mixed = np.clip(lab + (matched - lab) * np.float32(amount), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(mixed, cv2.COLOR_LAB2RGB), dtype=np.uint8)
