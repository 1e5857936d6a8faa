"""A detector is narrowed only as far as its scores bear it, and what that did is measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file
from telltale_contracts import FaceCrop, TensorNames, Waveform
from telltale_export.architectures import find_architecture
from telltale_export.conversion.probes import probes
from telltale_export.conversion.torch_to_onnx import torch_to_onnx
from telltale_export.conversion.untrained import untrained
from telltale_export.errors import DataError, PackagingError
from telltale_export.packaging import answer_artifact, score_artifact
from telltale_export.precision import DriftLimits, Kind, LabelledInputs, heatmap_drift, narrow, read_inputs

TENSORS = TensorNames(input="served", probability="probability", heatmap="heatmap")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small EfficientNet in single precision."""
    architecture = find_architecture("efficientnet-b0").at_reduced_width()
    detector = untrained(architecture, seed=8)
    folder = tmp_path_factory.mktemp("single")
    return torch_to_onnx(detector, folder, "served", ["probability", "heatmap"], probes(architecture.input, 2, 8))


@pytest.fixture(scope="module")
def inputs() -> LabelledInputs:
    items = probes(find_architecture("efficientnet-b0").at_reduced_width().input, 16, 9)
    return LabelledInputs(items, np.arange(16) % 4 < 2, "16 made inputs")


@pytest.mark.parametrize(("kind", "share"), [("fp16", 0.6), ("int8", 0.5)])
def test_it_gets_smaller_and_says_how_far_its_scores_moved(
    model: Path, inputs: LabelledInputs, kind: Kind, share: float, tmp_path: Path
) -> None:
    narrowed = narrow(model, kind, inputs, TENSORS, DriftLimits(0.5, 1e9))
    assert len(narrowed.model) < share * model.stat().st_size
    (tmp_path / "model.onnx").write_bytes(narrowed.model)
    measured = inputs.items[1::2] if kind == "int8" else inputs.items
    change = np.abs(score_artifact(tmp_path, TENSORS, measured) - score_artifact(model.parent, TENSORS, measured))
    assert narrowed.precision.kind == kind
    assert narrowed.precision.n == len(measured)
    assert narrowed.precision.max_drift == pytest.approx(change.max(), abs=2e-6)
    assert narrowed.precision.mean_drift == pytest.approx(change.mean(), abs=2e-6)
    assert narrowed.precision.max_drift > 0.0
    assert narrowed.precision.auc_change is not None
    assert (narrowed.precision.calibrated_on is not None) is (kind == "int8")
    maps = [answer_artifact(f, TENSORS, measured, ["heatmap"])["heatmap"] for f in (tmp_path, model.parent)]
    assert narrowed.precision.heatmap_drift == pytest.approx(heatmap_drift(*maps), abs=2e-6)
    assert 0.0 < narrowed.precision.heatmap_drift < narrowed.precision.heatmap_limit == 1e9


def test_heatmaps_are_compared_by_what_is_seen_in_them() -> None:
    maps = np.float32([[[0, 2], [2, 0]], [[5, 7], [7, 5]]])
    assert heatmap_drift(maps, maps) == 0.0
    assert heatmap_drift(maps + np.float32(0.5), maps) == pytest.approx(0.5), "a level that both maps are far from"
    assert heatmap_drift(maps[:, ::-1], maps) == pytest.approx(2.0)
    assert heatmap_drift(maps, np.ones_like(maps)) == np.inf, "nothing is to be seen in these"
    assert heatmap_drift(np.full_like(maps, np.nan), maps) == np.inf


def test_heatmaps_that_drift_over_the_limit_are_refused(model: Path, inputs: LabelledInputs) -> None:
    with pytest.raises(PackagingError, match=r"In int8 heatmaps drift by 0\.\d+ of what is seen in them; 0.01 is"):
        narrow(model, "int8", inputs, TENSORS, DriftLimits(score=0.5, heatmap=0.01))


def test_a_drift_over_the_limit_is_refused(model: Path, inputs: LabelledInputs) -> None:
    with pytest.raises(PackagingError, match="drifts by") as refusal:
        narrow(model, "int8", inputs, TENSORS, DriftLimits(score=1e-9))
    assert "1e-09 is allowed" in str(refusal.value)


def test_too_few_inputs_are_refused(model: Path, inputs: LabelledInputs) -> None:
    with pytest.raises(PackagingError, match="3 inputs are too few"):
        narrow(model, "int8", LabelledInputs(inputs.items[:3], None, "3"), TENSORS)


def test_folders_name_the_classes_of_pictures(tmp_path: Path) -> None:
    for name, level in (("real", 10), ("fake", 200)):
        (tmp_path / name).mkdir()
        picture = np.zeros((20, 30, 3), np.uint8)
        picture[..., 2] = level  # OpenCV's order is blue, green, red
        cv2.imwrite(str(tmp_path / name / "a.png"), picture)
    read = read_inputs(tmp_path, FaceCrop(size=16))
    assert read.items.shape == (2, 16, 16, 3)
    assert read.fake is not None
    assert read.fake.tolist() == [True, False]
    assert read.items[0, 0, 0].tolist() == [200, 0, 0]


def test_tensors_come_as_they_are_served(tmp_path: Path) -> None:
    sounds = np.zeros((3, 400), np.float32)
    save_file({"input": sounds, "fake": np.array([0, 1, 1])}, tmp_path / "sounds.safetensors")
    read = read_inputs(tmp_path, Waveform(samples=400))
    assert read.items.shape == (3, 400)
    assert read.fake is not None
    assert read.fake.tolist() == [False, True, True]


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no inputs"):
        read_inputs(tmp_path, FaceCrop(size=16))
    save_file({"input": np.zeros((3, 400), np.float32)}, tmp_path / "sounds.safetensors")
    with pytest.raises(DataError, match=r"uint8 \[N, 16, 16, 3\] is needed"):
        read_inputs(tmp_path, FaceCrop(size=16))
