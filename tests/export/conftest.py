"""Small models and labelled lists to publish, divide and score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from telltale_contracts import Calibration, DetectorManifest, Provenance, TensorNames, Waveform
from telltale_export.packaging import VersionDraft, next_version, write_version

from tests.export.preprocessing import running_service

SAMPLES = 400
WriteOnnx = Callable[..., Path]


@dataclass(frozen=True)
class Publisher:
    """A repository to publish versions of one detector into."""

    repository: Path
    manifest: DetectorManifest
    draft: VersionDraft
    onnx: WriteOnnx

    def publish(self, artifact: Path, manifest: DetectorManifest | None = None) -> Path:
        """Write the artefact as the next version."""
        manifest = manifest or self.manifest
        return write_version(
            self.repository, manifest, next_version(self.repository, manifest.name), artifact, self.draft
        )


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """The URL of a preprocess-service that all tests ask, gone afterwards."""
    with running_service() as url:
        yield url


@pytest.fixture
def manifest() -> DetectorManifest:
    """A detector of 400 samples of sound, on Triton."""
    return DetectorManifest(
        name="loudness",
        description="says fake of loud sounds",
        forgery="voice",
        server="triton",
        input=Waveform(samples=SAMPLES),
        tensors=TensorNames(input="waveform", probability="probability"),
        max_batch=8,
    )


@pytest.fixture
def draft() -> VersionDraft:
    """The card's half that training would bring."""
    return VersionDraft(
        provenance=Provenance(
            architecture="mean of squares",
            framework="onnx",
            parameters=1,
            initialised_from="nothing",
            command="none",
            seed=0,
            data=("none",),
            split="none",
            output_convention="P(fake)",
        ),
        measured=(),
        calibration=Calibration(slope=1.0, intercept=0.0, prior=0.5, n=1, fitted_on="nothing"),
        golden_inputs=np.linspace(-0.5, 0.5, 3 * SAMPLES, dtype=np.float32).reshape(3, SAMPLES),
        golden_source="a ramp",
        limits=("knows loudness only",),
    )


@pytest.fixture
def write_onnx(tmp_path: Path) -> WriteOnnx:
    """Writes a graph that answers ``activation(mean(x^2))``, with what a test wants wrong about it."""

    def write(
        activation: str = "Sigmoid", opset: int = 17, ir: int = 9, batch: int | str = "batch", divide_by: float = 1.0
    ) -> Path:
        nodes = [
            helper.make_node("Mul", ["waveform", "waveform"], ["squared"]),
            helper.make_node("ReduceMean", ["squared"], ["power"], axes=[1], keepdims=1),
            helper.make_node("Div", ["power", "divisor"], ["scaled"]),
            helper.make_node(activation, ["scaled"], ["probability"]),
        ]
        if opset >= 18:
            nodes[1] = helper.make_node("ReduceMean", ["squared", "axes"], ["power"], keepdims=1)
        constants = [numpy_helper.from_array(np.array([divide_by], np.float32), "divisor")]
        constants += [numpy_helper.from_array(np.array([1], np.int64), "axes")] if opset >= 18 else []
        graph = helper.make_graph(
            nodes,
            "loudness",
            [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, [batch, SAMPLES])],
            [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [batch, 1])],
            constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = ir
        path = tmp_path / "candidate.onnx"
        onnx.save(model, str(path))
        return path

    return write


@pytest.fixture
def publisher(tmp_path: Path, manifest: DetectorManifest, draft: VersionDraft, write_onnx: WriteOnnx) -> Publisher:
    """An empty repository, and what to publish into it."""
    return Publisher(tmp_path / "models", manifest, draft, write_onnx)
