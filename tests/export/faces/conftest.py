"""The public-domain portrait as a face to learn from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from telltale_export.__main__ import main
from telltale_export.faces.chips import CHIP, Face, FaceSet
from telltale_export.faces.mesh import FaceMesh
from telltale_export.samples.portrait import BOX, read_portrait

ROOT = Path(__file__).parents[3]
ASSETS = ROOT / ".cache/assets"
EYES = ((202.8, 103.5), (248.0, 105.9))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch on one thread: the suite shares two cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of freshly made samples, to be looked at only."""
    folder = tmp_path_factory.mktemp("samples")
    assert main(["samples", "--portrait", str(ASSETS / "astronaut.png"), "--to", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def portrait() -> NDArray[np.uint8]:
    """The portrait, uint8 [512, 512, 3]."""
    return read_portrait(ASSETS / "astronaut.png")


@pytest.fixture(scope="session")
def chip(portrait: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Its face as preprocessing would cut it for training."""
    x, y, width, height = BOX
    side = round(width * CHIP.margin)
    left, top = round(x + width / 2 - side / 2), round(y + height / 2 - side / 2)
    return np.asarray(cv2.resize(portrait[top : top + side, left : left + side], (CHIP.size, CHIP.size)), np.uint8)


@pytest.fixture(scope="session")
def points(chip: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Its mesh in the chip's pixels."""
    x, y, width, height = BOX
    factor = CHIP.size / (CHIP.margin * width)
    right, left = (
        ((ex - x - width / 2) * factor + CHIP.size / 2, (ey - y - height / 2) * factor + CHIP.size / 2)
        for ex, ey in EYES
    )
    found = FaceMesh(ASSETS / "face_landmark.tflite").find(chip, (right, left), CHIP.margin)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def faces(chip: NDArray[np.uint8], points: NDArray[np.float32]) -> FaceSet:
    """Four faces: the portrait and its mirror image, once called genuine and once generated."""
    mirrored = points * np.float32([-1, 1]) + np.float32([chip.shape[1], 0])
    chips, meshes, described = [], [], []
    for label in ("real", "fake"):
        for name, picture, mesh in (("plain", chip, points), ("mirrored", chip[:, ::-1], mirrored)):
            chips.append(picture)
            meshes.append(mesh)
            described.append(
                Face(
                    path=f"image/{label}/{name}.png",
                    modality="image",
                    label=label,
                    family="camera" if label == "real" else "stylegan2",
                    source="tests",
                    group=f"{label}-{name}",
                    frame=0,
                    side=103.0,
                    overflow=-0.3,
                )
            )
    return FaceSet(tuple(described), np.stack(chips), np.stack(meshes).astype(np.float32), {})
