"""Write a model repository of toy detectors whose scores a test can predict.

``.venvs/models/bin/python tests/toys.py DIR`` writes, each as version 1, live:

- ``toy-face`` (ONNX on Triton, face_swap): crops of 64, margin 1.3; P = mean(pixel) / 255.
- ``toy-synthesis`` (SavedModel on TensorFlow Serving, face_synthesis): crops of 64, margin 1.0;
  P = 1 - mean(pixel) / 255.
- ``toy-voice`` (ONNX on Triton, voice): 4 s at 16 kHz; P = clip(4 x mean(|x|), 0, 1).

The calibration changes nothing (slope 1, intercept 0, prior 0.5).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors.numpy import save_file
from telltale_contracts import (
    CARD_FILE,
    GOLDEN_FILE,
    Artifact,
    Calibration,
    DetectorManifest,
    FaceCrop,
    Golden,
    Interval,
    Measurement,
    Medium,
    Provenance,
    Rollout,
    RolloutEvent,
    TensorNames,
    VersionCard,
    Waveform,
    artifact_digest,
    artifact_files,
)

SIZE = 64
SAMPLES = 64_000
MADE = datetime(2026, 1, 1, tzinfo=UTC)


def main(root: Path) -> None:
    """Write the whole repository under ``root``, which is made when it is not there."""
    for write in (write_face, write_synthesis, write_voice):
        write(root)


def write_face(root: Path) -> None:
    """toy-face: the brighter the face, the more it is called swapped."""
    manifest = DetectorManifest(
        name="toy-face",
        description="Toy for tests: mean brightness of the face.",
        forgery="face_swap",
        server="triton",
        input=FaceCrop(size=SIZE, margin=1.3),
        tensors=TensorNames(input="image", probability="probability"),
        max_batch=32,
    )
    version = _version_folder(root, manifest)
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["share"]),
        helper.make_node("Unsqueeze", ["share", "last"], ["probability"]),
    ]
    constants = [_constant("white", np.array(255, np.float32)), _constant("last", np.array([1], np.int64))]
    _save_onnx(version, nodes, constants, _value("image", TensorProto.UINT8, [SIZE, SIZE, 3]))
    golden = _golden_pictures()
    _finish(version, manifest, golden, golden.mean(axis=(1, 2, 3)) / 255, ("video", "image"))
    _write_triton_config(root, manifest, "TYPE_UINT8", [SIZE, SIZE, 3])


def write_synthesis(root: Path) -> None:
    """toy-synthesis: the darker the face, the more it is called generated."""
    import tensorflow as tf  # noqa: PLC0415 takes seconds, and only this toy needs it

    manifest = DetectorManifest(
        name="toy-synthesis",
        description="Toy for tests: mean darkness of the face.",
        forgery="face_synthesis",
        server="tfserving",
        input=FaceCrop(size=SIZE, margin=1.0),
        tensors=TensorNames(input="image", probability="probability"),
        max_batch=16,
    )
    version = _version_folder(root, manifest)

    class Darkness(tf.Module):  # type: ignore[misc, unused-ignore]
        @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8, name="image")])
        def serve(self, image: Any) -> dict[str, Any]:
            mean = tf.reduce_mean(tf.cast(image, tf.float32), axis=[1, 2, 3])
            return {"probability": tf.expand_dims(1.0 - mean / 255.0, 1)}

    module = Darkness()
    tf.saved_model.save(module, str(version), signatures={"serving_default": module.serve})
    (version / "fingerprint.pb").unlink(missing_ok=True)  # random, and not needed to serve
    golden = _golden_pictures()
    _finish(version, manifest, golden, 1 - golden.mean(axis=(1, 2, 3)) / 255, ("video", "image"))


def write_voice(root: Path) -> None:
    """toy-voice: the louder, the more it is called synthetic."""
    manifest = DetectorManifest(
        name="toy-voice",
        description="Toy for tests: mean loudness.",
        forgery="voice",
        server="triton",
        input=Waveform(samples=SAMPLES),
        tensors=TensorNames(input="waveform", probability="probability"),
        max_batch=8,
    )
    version = _version_folder(root, manifest)
    nodes = [
        helper.make_node("Abs", ["waveform"], ["loudness"]),
        helper.make_node("ReduceMean", ["loudness"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "four"], ["louder"]),
        helper.make_node("Clip", ["louder", "zero", "one"], ["probability"]),
    ]
    constants = [_constant(name, np.array(x, np.float32)) for name, x in (("four", 4), ("zero", 0), ("one", 1))]
    _save_onnx(version, nodes, constants, _value("waveform", TensorProto.FLOAT, [SAMPLES]))
    loudness = np.array([0.0, 0.1, 0.2, 0.9], np.float32)
    signs = np.where(np.arange(SAMPLES) % 2, 1, -1).astype(np.float32)
    golden = loudness[:, None] * signs
    _finish(version, manifest, golden, np.clip(loudness * 4, 0, 1), ("speech",))
    _write_triton_config(root, manifest, "TYPE_FP32", [SAMPLES])


def _version_folder(root: Path, manifest: DetectorManifest) -> Path:
    version = root / manifest.name / "1"
    version.mkdir(parents=True)
    return version


def _golden_pictures() -> NDArray[np.uint8]:
    # Of different brightness, so that scores in a wrong order are noticed.
    ceilings = np.array([16, 96, 160, 256])[:, None, None, None]
    return np.random.default_rng(0).integers(0, ceilings, (4, SIZE, SIZE, 3)).astype(np.uint8)


def _value(name: str, kind: int, dims: list[int]) -> Any:
    return helper.make_tensor_value_info(name, kind, ["N", *dims])


def _constant(name: str, array: NDArray[Any]) -> Any:
    return onnx.numpy_helper.from_array(array, name)


def _save_onnx(version: Path, nodes: list[Any], constants: list[Any], source: Any) -> None:
    output = _value("probability", TensorProto.FLOAT, [1])
    graph = helper.make_graph(nodes, "toy", [source], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, version / "model.onnx")


def _write_triton_config(root: Path, manifest: DetectorManifest, kind: str, dims: list[int]) -> None:
    (root / manifest.name / "config.pbtxt").write_text(
        f"""name: "{manifest.name}"
backend: "onnxruntime"
max_batch_size: {manifest.max_batch}
input [{{ name: "{manifest.tensors.input}" data_type: {kind} dims: {dims} }}]
output [{{ name: "{manifest.tensors.probability}" data_type: TYPE_FP32 dims: [1] }}]
instance_group [{{ kind: KIND_CPU count: 1 }}]
dynamic_batching {{ max_queue_delay_microseconds: 1000 }}
""",
        encoding="utf-8",
    )


def _finish(
    version: Path,
    manifest: DetectorManifest,
    golden: NDArray[Any],
    scores: NDArray[Any],
    media: tuple[Medium, ...],
) -> None:
    save_file({"input": np.ascontiguousarray(golden)}, version / GOLDEN_FILE)
    files = artifact_files(version)
    card = VersionCard(
        detector=manifest.name,
        version=1,
        created=MADE,
        artifact=Artifact(sha256=artifact_digest(files), files=files),
        provenance=Provenance(
            architecture="arithmetic mean",
            framework="onnx" if manifest.server == "triton" else "tensorflow",
            parameters=1,
            initialised_from="nothing",
            command="python tests/toys.py",
            seed=0,
            data=("none: a toy for tests",),
            split="none",
            output_convention="P(fake), by decree",
        ),
        measured=tuple(_measurement(medium) for medium in media),
        calibration=Calibration(slope=1.0, intercept=0.0, prior=0.5, n=1, fitted_on="nothing: a toy for tests"),
        golden=Golden(scores=tuple(float(score) for score in scores), source="random numbers"),
        limits=("It is a toy for tests and detects nothing.",),
    )
    (version / CARD_FILE).write_text(card.to_yaml(), encoding="utf-8")
    detector = version.parent
    (detector / "detector.yaml").write_text(manifest.to_yaml(), encoding="utf-8")
    (detector / "rollout.yaml").write_text(Rollout(live=1).to_yaml(), encoding="utf-8")
    event = RolloutEvent(
        at=MADE, who="tests/toys.py", action="promote", version=1, why="toy for tests", sha256=card.artifact.sha256
    )
    (detector / "history.jsonl").write_text(event.to_line(), encoding="utf-8")


def _measurement(medium: Medium) -> Measurement:
    chance = Interval(value=0.5, low=0.0, high=1.0)
    return Measurement(
        medium=medium,
        family="all",
        split="none: toy for tests",
        n_real=1,
        n_fake=1,
        n_groups=1,
        unit="item",
        auc=chance,
        eer=chance,
        note="toy for tests",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
