"""People over time: shots, tracks, poses, small faces, and which faces are of no use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from telltale_contracts import BundleMetadata, FaceCrop, Recipe, Sampling
from telltale_preprocess.faces.detector import Face, FaceDetector, tiles
from telltale_preprocess.faces.finder import FaceFinder
from telltale_preprocess.faces.mesh import FaceMesh
from telltale_preprocess.faces.observer import FaceObserver
from telltale_preprocess.faces.pose import estimate_pose
from telltale_preprocess.faces.quality import judged_crop, looks
from telltale_preprocess.faces.scenes import ShotCounter, histogram_distance
from telltale_preprocess.faces.tracker import FaceTracker
from telltale_preprocess.pipeline import Preprocessor
from telltale_preprocess.settings import Settings

from tests import clips
from tests.preprocess.test_faces import face_at

# Where the six landmarks of a face are in its mesh: right eye, left eye, nose tip, mouth, right ear, left ear.
SIX = ((33, 133), (362, 263), (1,), (13, 14), (234,), (454,))


@pytest.fixture(scope="module")
def detector(settings: Settings) -> Iterator[FaceDetector]:
    """The detector as the service uses it."""
    loaded = FaceDetector(settings.assets, side=settings.detection_side, min_score=0.5, max_faces=8)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def mesh(settings: Settings) -> FaceMesh:
    """The dense landmarks' model."""
    return FaceMesh(settings.assets)


def on_meadow(faces: list[tuple[int, int]], side: int = 1280) -> clips.Picture:
    """Copies of the portrait's head, the face 70 pixels wide, at the places given, and nobody else."""
    picture = clips.meadow(side * 9 // 16, side).copy()
    head = np.asarray(Pillow.fromarray(clips.portrait()[40:200, 140:300]).resize((110, 110)))
    for x, y in faces:
        picture[y : y + 110, x : x + 110] = head
    return picture


def turn(points: NDArray[np.float64], yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Points (x right, y down, z away) turned so that a face looks to the right, up, and leans clockwise."""
    a, b, c = np.radians([-yaw, pitch, roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    turned: NDArray[np.float64] = points @ (about_z @ about_x @ about_y).T
    return turned


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (30, 0, 0), (-45, 0, 0), (0, 20, 0), (0, -20, 0), (0, 0, 25), (25, 10, -15)]
)
def test_a_head_that_is_turned_is_estimated_so(
    detector: FaceDetector, mesh: FaceMesh, yaw: float, pitch: float, roll: float
) -> None:
    """The portrait's own head in three dimensions, turned and projected, against the estimate for it unturned."""
    (face,) = detector.detect(clips.portrait())
    head = mesh.landmarks(clips.portrait(), face).points
    six = np.array([head[list(at)].mean(axis=0) for at in SIX])
    six -= six.mean(axis=0)

    def seen(turned: NDArray[np.float64]) -> Face:
        return Face(face.box, 1.0, turned[:, :2] + face.centre)

    before = estimate_pose(seen(six))
    assert abs(before.yaw) < 15
    assert abs(before.roll) < 6
    after = estimate_pose(seen(turn(six, yaw, pitch, roll)))
    assert after.yaw - before.yaw == pytest.approx(yaw, abs=9)
    assert after.pitch - before.pitch == pytest.approx(pitch, abs=9)
    assert after.roll - before.roll == pytest.approx(roll, abs=6)


@pytest.mark.parametrize("degrees", [-30, 0, 30])
def test_dense_landmarks_lie_on_the_sparse_ones(detector: FaceDetector, mesh: FaceMesh, degrees: int) -> None:
    turned = np.asarray(Pillow.fromarray(clips.portrait()).rotate(degrees, center=(224, 118)))
    (face,) = detector.detect(turned)
    found = mesh.landmarks(turned, face)
    assert found.presence > 0.99
    dense = np.array([found.points[list(at), :2].mean(axis=0) for at in SIX[:4]])
    np.testing.assert_allclose(dense, face.landmarks[:4], atol=9)
    assert estimate_pose(face).roll == pytest.approx(-degrees + 1, abs=7)


def test_a_face_behind_something_is_of_no_use_and_that_is_said(
    detector: FaceDetector, mesh: FaceMesh, settings: Settings
) -> None:
    observer = FaceObserver(mesh, settings, dense=True)
    picture = clips.portrait().copy()
    (face,) = detector.detect(picture)
    clear = observer.observe(picture, face, 0)
    assert clear.observation.usable
    assert clear.observation.unusable is None
    x, y, width, height = (round(value) for value in face.box)
    picture[y + height // 4 : y + height, x : x + width : 1] = np.random.default_rng(1).integers(
        0, 255, (height - height // 4, width, 3)
    )
    hidden = observer.observe(picture, face, 0)
    assert (hidden.observation.usable, hidden.observation.unusable) == (False, "occluded")
    assert hidden.worth < 0.1 < clear.worth


def test_a_face_that_the_border_cuts_is_of_no_use(detector: FaceDetector, mesh: FaceMesh, settings: Settings) -> None:
    observer = FaceObserver(mesh, settings, dense=False)
    (face,) = detector.detect(clips.portrait())
    half = np.ascontiguousarray(clips.portrait()[:, round(face.centre[0]) :])
    observation = observer.observe(half, face.moved(-round(face.centre[0]), 0), 0).observation
    assert observation.inside == pytest.approx(0.5, abs=0.02)
    assert (observation.usable, observation.unusable) == (False, "cut_off")
    assert observation.presence is None


def test_a_face_of_a_few_pixels_is_of_no_use(mesh: FaceMesh, settings: Settings, detector: FaceDetector) -> None:
    small = np.asarray(Pillow.fromarray(clips.portrait()).resize((128, 128)))
    (face,) = detector.detect(small)
    assert FaceObserver(mesh, settings, dense=False).observe(small, face, 0).observation.unusable == "too_small"


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (480, 640), (512, 512), (1920, 1080), (700, 3000)])
def test_tiles_cover_the_picture_and_overlap(height: int, width: int) -> None:
    covered = np.zeros((height, width), dtype=np.int64)
    squares = tiles(height, width)
    for x, y, side in squares:
        assert 0 <= x <= width - side
        assert 0 <= y <= height - side
        covered[y : y + side, x : x + side] += 1
    assert covered.min() >= 1
    assert 2 <= len(squares) <= 6
    assert covered.max() >= 2


def test_small_faces_are_found_on_tiles_and_nobody_twice(detector: FaceDetector, mesh: FaceMesh) -> None:
    places = [(150, 300), (610, 320), (1010, 300)]
    crowd = on_meadow(places)
    faces = FaceFinder(detector, mesh, 8).find(crowd)
    assert sorted(round(face.centre[0] - 55) // 20 for face in faces) == [x // 20 for x, _ in places]
    assert len(faces) == 3 > len(detector.detect(crowd))


def test_tiles_that_show_nothing_are_left_alone_for_a_while(
    detector: FaceDetector, mesh: FaceMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    real = detector.detect_on_tiles
    frame = 0

    def counted(rgb: NDArray[np.uint8]) -> list[Face]:
        looked.append(frame)
        return real(rgb)

    monkeypatch.setattr(detector, "detect_on_tiles", counted)
    finder = FaceFinder(detector, mesh, 8)
    empty = clips.meadow(720, 1280)
    for frame in range(16):  # noqa: B007
        assert finder.find(empty) == []
    assert looked == [0, 2, 6, 14]


def test_a_large_face_needs_no_tiles(detector: FaceDetector, mesh: FaceMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "detect_on_tiles", None)
    assert len(FaceFinder(detector, mesh, 8).find(clips.portrait())) == 1


def blue_room() -> clips.Picture:
    """Another place than the portrait's, with the same woman in the same spot."""
    room = clips.meadow(512, 512)[..., ::-1].copy()
    room[:, 300:] //= 3
    room[60:190, 160:290] = clips.portrait()[60:190, 160:290]
    return room


def test_shots_are_told_apart_and_known_again() -> None:
    shots = ShotCounter()
    portrait, room = clips.portrait(), blue_room()
    brighter = np.clip(portrait * 1.5, 0, 255).astype(np.uint8)
    shifted = np.roll(portrait, 12, axis=1)
    pictures = [portrait, brighter, shifted, room, room, portrait, room]
    assert [shots.shot_of(picture) for picture in pictures] == [0, 0, 0, 1, 1, 0, 1]


def test_a_cut_ends_tracks_and_cutting_back_goes_on_with_them() -> None:
    tracker = FaceTracker()
    shots = [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 2]
    assert [tracker.link(at, [face_at(100, 100)], shot=shot)[0] for at, shot in enumerate(shots)] == [
        0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 2,
    ]  # fmt: skip


def test_somebody_else_in_the_same_place_is_a_new_track() -> None:
    her = looks(judged_crop(clips.portrait(), face_at(224, 118)))
    green = looks(judged_crop(clips.portrait()[..., [1, 0, 2]].copy(), face_at(224, 118)))
    assert histogram_distance(her, her) == pytest.approx(0.0, abs=1e-6)
    assert histogram_distance(her, green) > 0.5
    tracker = FaceTracker()
    assert tracker.link(0, [face_at(100, 100)], [her]) == [0]
    assert tracker.link(1, [face_at(104, 100)], [her]) == [0]
    assert tracker.link(2, [face_at(104, 100)], [green]) == [1]


def test_two_who_cross_keep_their_numbers() -> None:
    tracker = FaceTracker()
    for frame in range(9):
        right_bound, left_bound = face_at(100 + 60 * frame, 200), face_at(580 - 60 * frame, 240)
        # When they meet, one hides the other.
        faces = [right_bound] if frame == 4 else [right_bound, left_bound]
        assert tracker.link(frame, faces) == [0, 1][: len(faces)]


def cut_clip(path: Path, pictures: list[clips.Picture]) -> Path:
    """A video of one second for each picture."""
    parts = [clips.write_video(path.with_name(f"{n}.mp4"), each, seconds=1.0) for n, each in enumerate(pictures)]

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 496, 496, "yuv420p"
        for part in parts:
            with av.open(str(part)) as source:
                for frame in source.decode(video=0):
                    out.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), "rgb24")))
        out.mux(stream.encode())
    return path


def test_a_cut_in_a_video_parts_the_people_and_cutting_back_joins_them(
    tmp_path: Path, preprocessor: Preprocessor
) -> None:
    path = cut_clip(tmp_path / "cut.mp4", [clips.portrait(), blue_room(), clips.portrait()])
    assert tracks_of(preprocessor, path) == [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7]]


def tracks_of(preprocessor: Preprocessor, path: Path) -> list[list[int]]:
    """The sampled frames, of twelve, in which each track was seen."""
    recipe = Recipe(inputs=(FaceCrop(size=64),), sampling=Sampling(max_frames=12))
    with path.open("rb") as file:
        metadata: BundleMetadata = preprocessor.preprocess(file, recipe).metadata
    return [[observation.frame for observation in track.observations] for track in metadata.tracks]


def test_somebody_hidden_for_a_moment_is_one_track(tmp_path: Path, preprocessor: Preprocessor) -> None:
    hidden = clips.portrait().copy()
    hidden[50:190, 150:300] = hidden[50:190, 1:2]
    path = cut_clip(tmp_path / "hidden.mp4", [clips.portrait(), hidden, clips.portrait()])
    assert tracks_of(preprocessor, path) == [[0, 1, 2, 3, 8, 9, 10, 11]]


def test_two_people_side_by_side_are_two_tracks(tmp_path: Path, preprocessor: Preprocessor) -> None:
    both = np.hstack([clips.portrait(), clips.portrait()[:, ::-1]])
    path = clips.write_video(tmp_path / "both.mp4", both)
    assert tracks_of(preprocessor, path) == [list(range(12))] * 2
