"""Faces come from a running preprocess-service: training sees what serving sees."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from telltale_contracts import FaceCrop
from telltale_export.data import MediaItem
from telltale_export.errors import DataError
from telltale_export.faces.chips import CHIP, FRAMES, FaceSet, cut, gather
from telltale_export.faces.mesh import FaceMesh

ROOT = Path(__file__).parents[3]
ASSETS = ROOT / ".cache/assets"
SERVED = FaceCrop(size=160, margin=1.1)


@pytest.fixture(scope="module")
def items(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> list[MediaItem]:
    """The portrait, its clip, and a file that is no picture."""
    sound = shutil.copyfile(samples / "voice-synthetic.wav", tmp_path_factory.mktemp("media") / "not-a-picture.png")
    return [
        MediaItem(path, "video" if path.suffix == ".mp4" else "image", "real", "camera", "tests", path.name, "none")
        for path in (samples / "portrait.png", samples / "genuine.mp4", sound)
    ]


@pytest.fixture(scope="module")
def gathered(service: str, items: list[MediaItem], tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    """Their faces."""
    mesh = FaceMesh(ASSETS / "face_landmark.tflite")
    return gather(items, [SERVED], service, mesh, tmp_path_factory.mktemp("cache"))


def test_each_sampled_frame_gives_one_face(gathered: FaceSet) -> None:
    assert [face.group for face in gathered.faces] == ["portrait.png"] + ["genuine.mp4"] * FRAMES
    frames = [face.frame for face in gathered.faces[1:]]
    assert frames == sorted(set(frames))
    assert gathered.chips.shape == (1 + FRAMES, CHIP.size, CHIP.size, 3)
    assert np.isfinite(gathered.points).all()
    assert max(face.outside(1.1) for face in gathered.faces) == 0.0
    assert gathered.faces[0].side == pytest.approx(103, abs=4)


def test_a_crop_cut_for_training_is_the_crop_that_is_served(gathered: FaceSet) -> None:
    served = gathered.served[SERVED.key()]

    for chip, crop in zip(gathered.chips, served, strict=True):
        own = cut(chip, SERVED.margin, SERVED.size)
        grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float32) for p in (own, crop)]
        (x, y), _ = cv2.phaseCorrelate(*grey)
        # Scaled twice, and rounded to whole pixels of a face that is some hundred pixels wide.
        assert abs(x) < 2.0
        assert abs(y) < 2.0
        assert np.corrcoef(grey[0].ravel(), grey[1].ravel())[0, 1] > 0.97


def test_the_second_time_nobody_is_asked(items: list[MediaItem], service: str, tmp_path: Path) -> None:
    mesh = FaceMesh(ASSETS / "face_landmark.tflite")
    first = gather(items[:1], [SERVED], service, mesh, tmp_path)

    again = gather(items[:1], [SERVED], "http://127.0.0.1:9", mesh, tmp_path)

    np.testing.assert_array_equal(first.chips, again.chips)
    assert first.faces == again.faces


def test_without_the_service_the_caller_is_told_what_to_start(items: list[MediaItem], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not answer") as raised:
        gather(items[:1], [], "http://127.0.0.1:9", FaceMesh(ASSETS / "face_landmark.tflite"), tmp_path)
    assert "telltale_preprocess" in raised.value.hint
