"""Run a version's artefact as the servers run it."""

from __future__ import annotations

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
    if (version_dir / "model.onnx").is_file():
        raw = _score_onnx(version_dir / "model.onnx", tensors, inputs, batch)
    elif (version_dir / "saved_model.pb").is_file():
        raw = _score_saved_model(version_dir, tensors, inputs, batch)
    else:
        raise PackagingError(
            f"{version_dir} holds no model.onnx and no saved_model.pb.", "Export the model into that folder."
        )
    if raw.shape not in ((len(inputs),), (len(inputs), 1)) or raw.dtype != np.float32:
        raise PackagingError(
            f"{tensors.probability} is {raw.dtype} {raw.shape} for {len(inputs)} items.",
            "The graph must answer one float32 P(fake) for each item: [N] or [N, 1].",
        )
    return raw.reshape(len(inputs))


def _score_onnx(path: Path, tensors: TensorNames, inputs: NDArray[np.generic], batch: int) -> NDArray[np.float32]:
    import onnxruntime  # noqa: PLC0415 - heavy, and not needed for a SavedModel

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    parts = [
        session.run([tensors.probability], {tensors.input: inputs[start : start + batch]})[0]
        for start in range(0, len(inputs), batch)
    ]
    return np.concatenate(parts)


def _score_saved_model(
    version_dir: Path, tensors: TensorNames, inputs: NDArray[np.generic], batch: int
) -> NDArray[np.float32]:
    import tensorflow as tf  # noqa: PLC0415 - three seconds to import

    signatures = tf.saved_model.load(str(version_dir)).signatures
    if tensors.signature not in signatures:
        raise PackagingError(
            f"{version_dir} has no signature {tensors.signature!r}, only {', '.join(signatures) or 'none'}.",
            "Name it in the export, or name the right one in detector.yaml.",
        )
    function = signatures[tensors.signature]
    parts = []
    for start in range(0, len(inputs), batch):
        answer = function(**{tensors.input: tf.constant(inputs[start : start + batch])})
        if tensors.probability not in answer:
            raise PackagingError(
                f"The signature answers {', '.join(answer)}, not {tensors.probability}.",
                "Name the output in the export, or name the right one in detector.yaml.",
            )
        parts.append(answer[tensors.probability].numpy())
    return np.concatenate(parts)
