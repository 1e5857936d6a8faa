"""Run a version's artefact as the servers run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import TensorNames

from telltale_export.errors import PackagingError

_BATCH = 16


def score_artifact(
    version_dir: Path, tensors: TensorNames, inputs: NDArray[np.generic], batch: int = _BATCH
) -> NDArray[np.float32]:
    """Raw P(fake) of items [N, ...]: float32 [N].

    ``model.onnx`` runs in onnxruntime, ``saved_model.pb`` in TensorFlow, both on one thread of the CPU.

    Raises:
        PackagingError: the folder holds neither, or the answer is not one probability an item.
    """
    raw = answer_artifact(version_dir, tensors, inputs, (tensors.probability,), batch)[tensors.probability]
    if raw.shape not in ((len(inputs),), (len(inputs), 1)) or raw.dtype != np.float32:
        raise PackagingError(
            f"{tensors.probability} is {raw.dtype} {raw.shape} for {len(inputs)} items.",
            "The graph must answer one float32 P(fake) for each item: [N] or [N, 1].",
        )
    return raw.reshape(len(inputs))


def answer_artifact(
    version_dir: Path, tensors: TensorNames, inputs: NDArray[np.generic], outputs: Sequence[str], batch: int = _BATCH
) -> Mapping[str, NDArray[np.float32]]:
    """What an artefact answers to items [N, ...]: each output by its name, [N, ...].

    Raises:
        PackagingError: the folder holds no artefact, or its graph has no such output.
    """
    if (version_dir / "model.onnx").is_file():
        return _answer_onnx(version_dir / "model.onnx", tensors, inputs, outputs, batch)
    if (version_dir / "saved_model.pb").is_file():
        return _answer_saved_model(version_dir, tensors, inputs, outputs, batch)
    raise PackagingError(
        f"{version_dir} holds no model.onnx and no saved_model.pb.", "Export the model into that folder."
    )


def _answer_onnx(
    path: Path, tensors: TensorNames, inputs: NDArray[np.generic], outputs: Sequence[str], batch: int
) -> Mapping[str, NDArray[np.float32]]:
    import onnxruntime  # noqa: PLC0415 - heavy, and not needed for a SavedModel

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    _require_outputs(outputs, [output.name for output in session.get_outputs()])
    parts = [
        session.run(list(outputs), {tensors.input: inputs[start : start + batch]})
        for start in range(0, len(inputs), batch)
    ]
    return {name: np.concatenate([part[index] for part in parts]) for index, name in enumerate(outputs)}


def _answer_saved_model(
    version_dir: Path, tensors: TensorNames, inputs: NDArray[np.generic], outputs: Sequence[str], batch: int
) -> Mapping[str, NDArray[np.float32]]:
    import tensorflow as tf  # noqa: PLC0415 - three seconds to import

    signatures = tf.saved_model.load(str(version_dir)).signatures
    if tensors.signature not in signatures:
        raise PackagingError(
            f"{version_dir} has no signature {tensors.signature!r}, only {', '.join(signatures) or 'none'}.",
            "Name it in the export, or name the right one in detector.yaml.",
        )
    function = signatures[tensors.signature]
    _require_outputs(outputs, list(function.structured_outputs))
    parts = [
        function(**{tensors.input: tf.constant(inputs[start : start + batch])})
        for start in range(0, len(inputs), batch)
    ]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in outputs}


def _require_outputs(wanted: Sequence[str], there: Sequence[str]) -> None:
    absent = [name for name in wanted if name not in there]
    if absent:
        raise PackagingError(
            f"The model answers {', '.join(there) or 'nothing'}, not {', '.join(absent)}.",
            "Name the output in the export, or name the right one in detector.yaml.",
        )
