"""Blends and degradations: repeatable, confined to their mask, and the same for both halves of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_contracts import FaceCrop
from telltale_export.faces.ahead import batches
from telltale_export.faces.blend_media import rough_pairs, still_pairs
from telltale_export.faces.blending import Blend, compose, cross_blend, self_blend
from telltale_export.faces.chips import CHIP, FaceSet, cut, scaled
from telltale_export.faces.degradation import cut_off, draw_degradation, encode_h264, motion_blur
from telltale_export.faces.films import blend_films
from telltale_export.faces.generated import PATCH, GeneratedFaces, draw_crop
from telltale_export.faces.pairs import MARGIN, SEAM_CELLS, SIZE, BlendPairs

Picture = NDArray[np.uint8]
SIDE = 240


def _blend(kind: str, chip: Picture, points: NDArray[np.float32], seed: int) -> Blend:
    face, mesh = scaled(chip, points, SIDE)
    random = np.random.default_rng(seed)
    if kind == "self":
        return self_blend(face, mesh, random)
    mirrored = mesh * np.float32([-1, 1]) + np.float32([SIDE, 0])
    return cross_blend(face, mesh, np.ascontiguousarray(face[:, ::-1]), mirrored, random)


@pytest.mark.parametrize("kind", ["self", "cross"])
@pytest.mark.parametrize("seed", range(6))
def test_a_blend_changes_the_face_and_nothing_outside_its_mask(
    kind: str, seed: int, chip: Picture, points: NDArray[np.float32]
) -> None:
    blend = _blend(kind, chip, points, seed)

    outside = blend.mask == 0
    assert 0.3 < outside.mean() < 0.99
    np.testing.assert_array_equal(blend.forged[outside], blend.genuine[outside])
    assert np.abs(blend.forged.astype(int) - blend.genuine)[blend.mask > 0.4].mean() > 0.5
    corner = SIDE // 16
    assert outside[:corner].all()
    assert outside[-corner:].all()


@pytest.mark.parametrize("kind", ["self", "cross"])
def test_the_same_seed_gives_the_same_blend_and_another_another(
    kind: str, chip: Picture, points: NDArray[np.float32]
) -> None:
    first, second, other = (_blend(kind, chip, points, seed) for seed in (3, 3, 4))

    np.testing.assert_array_equal(first.forged, second.forged)
    np.testing.assert_array_equal(first.genuine, second.genuine)
    assert (first.forged != other.forged).any()


def test_a_full_mask_takes_the_source_and_an_empty_one_the_target(chip: Picture) -> None:
    source = np.ascontiguousarray(chip[:, ::-1])
    mask = np.zeros(chip.shape[:2], np.float32)
    mask[:100] = 1.0

    forged = compose(source, chip, mask).forged

    np.testing.assert_array_equal(forged[:100], source[:100])
    np.testing.assert_array_equal(forged[100:], chip[100:])


@pytest.mark.parametrize("codec", ["none", "jpeg", "h264"])
def test_a_degradation_does_the_same_to_whatever_it_is_given(codec: str, chip: Picture) -> None:
    picture = np.ascontiguousarray(chip[:256, :256])
    for seed in range(8):
        degrade = draw_degradation(np.random.default_rng(seed), codec)
        np.testing.assert_array_equal(degrade(picture), degrade(picture.copy()))
        assert degrade.names == draw_degradation(np.random.default_rng(seed), codec).names
        assert (degrade.names[-1:] == (codec,)) == (codec != "none")


def test_a_degradation_does_not_grow_with_the_picture_before_it(chip: Picture) -> None:
    """A pair's halves are degraded one after the other: nothing of the first may reach the second."""
    degrade = draw_degradation(np.random.default_rng(1), "h264")
    alone = degrade(chip)
    degrade(np.zeros_like(chip))
    np.testing.assert_array_equal(degrade(chip), alone)


def test_h264_keeps_the_picture_and_loses_more_at_a_higher_crf(chip: Picture) -> None:
    frames = [np.roll(chip, shift, axis=1) for shift in range(3)]

    errors = []
    for crf in (18, 34):
        coded = encode_h264(frames, crf)
        assert [frame.shape for frame in coded] == [chip.shape] * 3
        errors.append(float(np.abs(coded[-1].astype(int) - frames[-1]).mean()))

    assert errors[0] < errors[1] < 12


def test_a_crop_of_a_chip_is_the_crop_of_the_picture(portrait: Picture) -> None:
    """Same centre, same side, same scaling as preprocessing's face_crop, up to the chip's own scaling."""
    side, x, y = 220, 60, 20
    whole = round(side * CHIP.margin)
    chip = cv2.resize(portrait[y : y + whole, x : x + whole], (CHIP.size, CHIP.size), interpolation=cv2.INTER_AREA)
    inner = round(side * 1.1)
    start = round(whole / 2 - inner / 2)
    direct = cv2.resize(
        portrait[y + start : y + start + inner, x + start : x + start + inner], (160, 160), interpolation=cv2.INTER_AREA
    )

    crop = cut(np.asarray(chip, np.uint8), 1.1, 160)

    assert crop.shape == (160, 160, 3)
    assert np.abs(crop.astype(int) - direct).mean() < 1.0


def test_batches_are_repeatable_paired_and_balanced(faces: FaceSet) -> None:
    first, again = (BlendPairs(faces, [0, 1], 5).batch(3, 8) for _ in range(2))
    other = BlendPairs(faces, [0, 1], 5).batch(4, 8)

    np.testing.assert_array_equal(first.pictures, again.pictures)
    assert (first.pictures != other.pictures).any()
    assert first.pictures.shape == (8, SIZE, SIZE, 3)
    assert first.targets.tolist() == [0] * 4 + [1] * 4
    assert first.paired
    between = np.abs(first.pictures[:4].astype(int) - first.pictures[4:]).mean(axis=(1, 2, 3))
    strangers = np.abs(first.pictures[:4].astype(int) - np.roll(first.pictures[4:], 1, axis=0)).mean(axis=(1, 2, 3))
    assert (between > 0).all()
    assert between.mean() < strangers.mean()


def test_the_rim_of_a_crop_does_not_tell_a_blend(faces: FaceSet) -> None:
    """Padding, resampling and compression of a pair are one and the same, so where no mask reaches they agree."""
    pairs, random = BlendPairs(faces, [0, 1], 5), np.random.default_rng(5)
    rim = np.ones((SIZE, SIZE), bool)
    rim[3:-3, 3:-3] = False

    differences = [
        float(np.abs(pair.genuine[rim].astype(int) - pair.forged[rim]).mean())
        for pair in (pairs.draw(random, "none") for _ in range(24))
    ]

    assert float(np.median(differences)) < 1.0


def test_the_seam_lies_where_the_pictures_were_mixed_and_a_genuine_face_has_none(faces: FaceSet) -> None:
    pairs = 48
    batch = BlendPairs(faces, [0, 1], 5).batch(0, 2 * pairs)

    assert batch.seams is not None
    assert batch.seams.shape == (2 * pairs, SEAM_CELLS, SEAM_CELLS)
    assert not batch.seams[:pairs].any()
    assert batch.seams.max() <= 1.0
    # Where the seam is strong, the halves of a pair differ; far from it they may only differ inside the mask.
    changed = np.abs(batch.pictures[:pairs].astype(int) - batch.pictures[pairs:]).mean(axis=3)
    cells = changed.reshape(pairs, SEAM_CELLS, SIZE // SEAM_CELLS, SEAM_CELLS, SIZE // SEAM_CELLS).mean(axis=(2, 4))
    strong = batch.seams[pairs:] > 0.3
    # A thin seam is weak in cells of a tenth of the crop.
    assert strong.any(axis=(1, 2)).mean() > 0.5
    assert cells[strong].mean() > 2 * cells[:, 0, :].mean()


def test_a_picture_that_ends_within_the_crop_goes_on_as_preprocessing_fills_it_up(faces: FaceSet) -> None:
    chip = np.asarray(faces.chips[0])
    within = MARGIN / CHIP.margin
    edge = chip.shape[0] * (1 - within) / 2
    ended = 0
    for seed in range(20):
        whole = cut_off(np.random.default_rng(seed), within)(chip)
        assert whole.shape == chip.shape
        kept = (whole == chip).all(axis=2)
        # Some rows and columns are as they were; beyond, the last of them is repeated.
        rows, columns = np.flatnonzero(kept.mean(axis=1) > 0.3), np.flatnonzero(kept.mean(axis=0) > 0.3)
        inside = whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        around = ((rows[0], chip.shape[0] - 1 - rows[-1]), (columns[0], chip.shape[1] - 1 - columns[-1]), (0, 0))
        np.testing.assert_array_equal(whole, np.pad(inside, around, "edge"))
        missing = (rows[0], columns[0], chip.shape[0] - 1 - rows[-1], chip.shape[1] - 1 - columns[-1])
        assert max(missing) <= edge + 0.25 * within * chip.shape[0] + 1
        ended += max(missing) > edge
    assert ended >= 10


def test_every_side_of_a_picture_may_be_the_one_that_is_cut_off() -> None:
    chip = np.arange(352 * 352, dtype=np.int64).reshape(352, 352, 1) % 251
    within = MARGIN / CHIP.margin
    edge = round(352 * (1 - within) / 2)
    alone = set()
    for seed in range(60):
        cut = cut_off(np.random.default_rng(seed), within)(chip.astype(np.uint8))[..., 0]
        sides = {"top": cut, "bottom": cut[::-1], "left": cut.T, "right": cut.T[::-1]}
        gone = [side for side, rows in sides.items() if (rows[: edge + 3] == rows[0]).all()]
        if len(gone) == 1:
            alone.update(gone)
    assert alone == {"top", "bottom", "left", "right"}


def test_rough_pairs_are_rough_in_both_halves_alike(faces: FaceSet) -> None:
    spec = FaceCrop(size=SIZE, margin=MARGIN)
    plain, rough = (draw(faces, [0, 1] * 12, spec, np.random.default_rng(4)) for draw in (still_pairs, rough_pairs))
    assert rough.fake == plain.fake == [False, True] * 48
    ended = [
        any(np.ptp(side[:4].astype(int), axis=0).max() <= 1 for side in (crop, crop[::-1], crop.swapaxes(0, 1)))
        for crop in (each[0] for each in rough.crops)
    ]
    assert ended[::2] == ended[1::2]
    assert 4 <= sum(ended[::2]) <= 24

    def detail(crops: Sequence[Picture]) -> float:
        return float(np.median([cv2.Laplacian(each[0], cv2.CV_64F).var() for each in crops]))

    for half in (0, 1):
        assert detail(rough.crops[half::2]) < 0.8 * detail(plain.crops[half::2])


def test_motion_moves_no_light_and_softens_along_one_line(faces: FaceSet) -> None:
    chip = np.asarray(faces.chips[0])
    for seed in range(10):
        moved = motion_blur(chip, np.random.default_rng(seed))
        assert abs(float(moved.mean()) - float(chip.mean())) < 1.0
        flat = motion_blur(np.full_like(chip, 77), np.random.default_rng(seed))
        assert np.abs(flat.astype(int) - 77).max() <= 1
        dot = np.zeros((201, 201, 3), np.uint8)
        dot[100, 100] = 255
        there = np.argwhere(motion_blur(dot, np.random.default_rng(seed))[:, :, 0] > 3)
        assert 2 <= np.ptp(there, axis=0).max() <= 0.04 * 201 + 3


def test_batches_are_the_same_whoever_draws_them(faces: FaceSet) -> None:
    pairs = BlendPairs(faces, [0, 1], 5)

    here, elsewhere = (list(batches(pairs, 4, workers)(2, 5)) for workers in (1, 3))

    assert len(here) == len(elsewhere) == 3
    for own, other in zip(here, elsewhere, strict=True):
        np.testing.assert_array_equal(own.pictures, other.pictures)


def test_generated_and_genuine_faces_are_treated_alike(faces: FaceSet) -> None:
    """The same picture under both labels must come out the same: nothing but the picture may tell them apart."""
    genuine, generated = (
        [draw_crop(faces.chips[index], 0.8, np.random.default_rng(seed)) for seed in range(4)] for index in (0, 2)
    )

    np.testing.assert_array_equal(np.stack(genuine), np.stack(generated))


def test_patches_are_balanced_and_of_faces_that_allow_the_margin(faces: FaceSet) -> None:
    """A face that is cut off by the picture is only seen as near as it is whole, and so are the others."""
    cut_off = tuple(replace(face, overflow=0.1) if index % 2 else face for index, face in enumerate(faces.faces))
    black = faces.chips.copy()
    black[1::2] = 0
    drawn = GeneratedFaces(replace(faces, faces=cut_off, chips=black), [0, 1, 2, 3], 5)

    batch = drawn.batch(0, 64)

    assert batch.pictures.shape == (64, PATCH, PATCH, 3)
    assert batch.targets.tolist() == [0] * 32 + [1] * 32
    assert batch.seams is None
    dark = (batch.pictures.mean(axis=(1, 2, 3)) < 30).mean()
    assert 0.05 < dark < 0.45, "half of the faces, but only at the nearer half of the margins"


def test_films_are_twins(faces: FaceSet) -> None:
    genuine, forged = blend_films(faces, [0], 1.1, 160, np.random.default_rng(2))

    assert genuine.shape == forged.shape == (4, 160, 160, 3)
    between = np.abs(genuine.astype(int) - forged).mean(axis=(1, 2, 3))
    assert (between > 0.2).all()
    assert (between < 30).all()
