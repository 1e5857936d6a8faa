"""Faces: found at any size, cut straight and level, linked over time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image as Pillow
from telltale_contracts import FaceCrop, Image
from telltale_preprocess.faces.crops import cut_face, cut_square
from telltale_preprocess.faces.detector import Face, FaceDetector, tiles
from telltale_preprocess.faces.scenes import ShotCounter
from telltale_preprocess.faces.tracker import FaceTracker
from telltale_preprocess.features.pictures import fit_picture
from telltale_preprocess.settings import Settings

from tests import clips


@pytest.fixture(scope="module")
def detector(settings: Settings) -> Iterator[FaceDetector]:
    """The detector as the service uses it; MediaPipe hangs when it is left to the garbage collector."""
    with FaceDetector(settings.assets, side=settings.detection_side, min_score=0.5, max_faces=8) as loaded:
        yield loaded


def face_at(x: float, y: float, side: float = 100.0) -> Face:
    """A face with its box centred there, eyes level."""
    eyes = [(x - 20, y - 10), (x + 20, y - 10), (x, y + 5), (x, y + 25), (x - 45, y), (x + 45, y)]
    return Face((x - side / 2, y - side / 2, side, side), 0.9, np.array(eyes, dtype=np.float64))


def test_landmarks_are_where_the_portraits_are(detector: FaceDetector) -> None:
    (face,) = detector.detect(clips.portrait())
    np.testing.assert_allclose(face.landmarks[:4], [(203, 104), (247, 106), (224, 132), (222, 149)], atol=6)
    np.testing.assert_allclose(face.centre, (224, 118), atol=8)
    assert 85 < face.side < 120


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_a_face_keeps_its_place_at_any_scale(detector: FaceDetector, scale: float) -> None:
    size = round(512 * scale)
    picture = np.asarray(Pillow.fromarray(clips.portrait()).resize((size, size)))
    (face,) = detector.detect(picture)
    np.testing.assert_allclose(np.array(face.centre) / scale, (224, 118), atol=8)


def test_a_face_that_fills_the_picture_is_found_with_the_same_box(detector: FaceDetector) -> None:
    close = np.ascontiguousarray(clips.portrait()[75:180, 165:290])
    (face,) = detector.detect(close)
    np.testing.assert_allclose(np.add(face.centre, (165, 75)), (224, 118), atol=12)
    assert 80 < face.side < 130


def test_nobody_is_found_where_nobody_is(detector: FaceDetector) -> None:
    assert detector.detect(clips.meadow()) == []


def test_an_aligned_crop_has_level_eyes(detector: FaceDetector) -> None:
    portrait = Pillow.fromarray(clips.portrait())
    tilted = np.asarray(portrait.rotate(20, resample=Pillow.Resampling.BICUBIC))
    (face,) = detector.detect(tilted)
    tilt = np.degrees(np.arctan2(*(face.landmarks[1] - face.landmarks[0])[::-1]))
    assert tilt < -10
    crop = cut_face(tilted, face, FaceCrop(size=256, margin=1.8, align="eyes"))
    (level,) = detector.detect(crop)
    across, down = level.landmarks[1] - level.landmarks[0]
    assert abs(np.degrees(np.arctan2(down, across))) < 8
    np.testing.assert_allclose(level.centre, (128, 128), atol=16)


def test_a_crop_is_a_square_of_margin_times_the_longer_side() -> None:
    rows, columns = np.mgrid[0:200, 0:200].astype(np.uint8)
    picture = np.stack([columns, rows, np.zeros_like(rows)], axis=-1)
    crop = cut_face(picture, face_at(100, 90, side=40), FaceCrop(size=80, margin=2.0))
    np.testing.assert_array_equal(crop, picture[50:130, 60:140])


def test_beyond_the_picture_its_border_is_replicated() -> None:
    picture = np.zeros((50, 60, 3), dtype=np.uint8)
    picture[:, 0], picture[0, :] = (200, 0, 0), (0, 200, 0)
    crop = cut_square(picture, (0.0, 25.0), 40, 40)
    np.testing.assert_array_equal(crop[20, :21], np.tile([200, 0, 0], (21, 1)))
    far = cut_square(picture, (500.0, -300.0), 40, 16)
    assert far.shape == (16, 16, 3)
    np.testing.assert_array_equal(far, np.broadcast_to([0, 200, 0], (16, 16, 3)))


def test_shrinking_averages() -> None:
    board = np.indices((256, 256)).sum(axis=0) % 2 * 254
    picture = np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)
    assert np.ptp(cut_square(picture, (128.0, 128.0), 256, 32)) <= 1


@pytest.mark.parametrize(("fit", "corner"), [("stretch", 200), ("crop", 200), ("pad", 0)])
def test_whole_pictures_fit_as_asked(fit: str, corner: int) -> None:
    picture = np.full((100, 300, 3), 200, dtype=np.uint8)
    fitted = fit_picture(picture, Image.model_validate({"size": 64, "fit": fit}))
    assert fitted.shape == (64, 64, 3)
    assert fitted[0, 0, 0] == corner
    assert fitted[32, 32, 0] == 200


def test_two_people_who_come_and_go_stay_two_tracks() -> None:
    tracker = FaceTracker()
    tracks = []
    for frame in range(12):
        left, right = face_at(100 + 15 * frame, 200), face_at(600 - 10 * frame, 220)
        faces = [left, right] if frame % 2 else [right, left]
        if frame == 5:
            faces = [right]
        linked = tracker.link(frame, faces)
        tracks.append({id(face): track for face, track in zip(faces, linked, strict=True)}[id(right)])
    assert set(tracks) == {tracks[0]}
    assert max(tracker.link(12, [face_at(280, 200), face_at(480, 220)])) == 1


def test_a_face_elsewhere_or_of_another_size_is_somebody_else() -> None:
    tracker = FaceTracker()
    assert tracker.link(0, [face_at(100, 100)]) == [0]
    assert tracker.link(1, [face_at(400, 100)]) == [1]
    assert tracker.link(2, [face_at(400, 100, side=300)]) == [2]


def test_somebody_who_was_away_for_long_is_somebody_new() -> None:
    tracker = FaceTracker()
    assert tracker.link(0, [face_at(100, 100)]) == [0]
    assert tracker.link(9, [face_at(100, 100)]) == [1]


@pytest.mark.parametrize("size", [(1080, 1920), (400, 4000), (16, 400_000), (400_000, 16), (40, 1200), (1, 2)])
def test_tiles_cover_a_picture_and_are_few(size: tuple[int, int]) -> None:
    found = tiles(*size)
    assert len(found) <= 32
    covered = np.zeros(size, dtype=np.bool_)
    for x, y, side in found:
        assert x >= 0
        assert y >= 0
        covered[y : y + side, x : x + side] = True
    assert covered.all()


@pytest.mark.parametrize("size", [(8000, 16), (16, 8000)])
def test_a_thin_picture_has_a_shot(size: tuple[int, int]) -> None:
    assert ShotCounter().shot_of(np.zeros((*size, 3), dtype=np.uint8)) == 0
