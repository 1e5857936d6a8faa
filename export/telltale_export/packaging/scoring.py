"""Run a version's artefact as the servers run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import TensorNames

from telltale_export.errors import PackagingError
from telltale_export.packaging.runtime import onnx_runtime

Answer = Mapping[str, NDArray[np.float32]]
Scorer = Callable[[NDArray[np.generic]], NDArray[np.float32]]
_Answering = Callable[[NDArray[np.generic]], Answer]
_BATCH = 16


def score_artifact(
    version_dir: Path, tensors: TensorNames, inputs: NDArray[np.generic], batch: int = _BATCH
) -> NDArray[np.float32]:
    """Raw P(fake) of items [N, ...]: float32 [N].

    ``model.onnx`` runs in onnxruntime, ``saved_model.pb`` in TensorFlow, both on one thread of the CPU.

    Raises:
        PackagingError: the folder holds neither, or the answer is not one probability an item.
    """
    return load_scorer(version_dir, tensors, batch)(inputs)


def load_scorer(version_dir: Path, tensors: TensorNames, batch: int = _BATCH) -> Scorer:
    """``score_artifact`` of one artefact, to be called more than once: it is loaded here.

    Raises:
        PackagingError: the folder holds no artefact, or its graph has no such output.
    """
    answer = _load(version_dir, tensors, (tensors.probability,))

    def score(inputs: NDArray[np.generic]) -> NDArray[np.float32]:
        raw = _in_batches(answer, inputs, batch)[tensors.probability]
        if raw.shape not in ((len(inputs),), (len(inputs), 1)) or raw.dtype != np.float32:
            raise PackagingError(
                f"{tensors.probability} is {raw.dtype} {raw.shape} for {len(inputs)} items.",
                "The graph must answer one float32 P(fake) for each item: [N] or [N, 1].",
            )
        return raw.reshape(len(inputs))

    return score


def answer_artifact(
    version_dir: Path, tensors: TensorNames, inputs: NDArray[np.generic], outputs: Sequence[str], batch: int = _BATCH
) -> Answer:
    """What an artefact answers to items [N, ...]: each output by its name, [N, ...].

    Raises:
        PackagingError: the folder holds no artefact, or its graph has no such output.
    """
    return _in_batches(_load(version_dir, tensors, outputs), inputs, batch)


def _in_batches(answer: _Answering, inputs: NDArray[np.generic], batch: int) -> Answer:
    parts = [answer(inputs[start : start + batch]) for start in range(0, len(inputs), batch)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _load(version_dir: Path, tensors: TensorNames, outputs: Sequence[str]) -> _Answering:
    if (version_dir / "model.onnx").is_file():
        return _load_onnx(version_dir / "model.onnx", tensors, outputs)
    if (version_dir / "saved_model.pb").is_file():
        return _load_saved_model(version_dir, tensors, outputs)
    raise PackagingError(
        f"{version_dir} holds no model.onnx and no saved_model.pb.", "Export the model into that folder."
    )


def _load_onnx(path: Path, tensors: TensorNames, outputs: Sequence[str]) -> _Answering:
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    _require_outputs(outputs, [output.name for output in session.get_outputs()])
    return lambda items: dict(zip(outputs, session.run(list(outputs), {tensors.input: items}), strict=True))


def _load_saved_model(version_dir: Path, tensors: TensorNames, outputs: Sequence[str]) -> _Answering:
    import tensorflow as tf  # noqa: PLC0415 - three seconds to import

    loaded = tf.saved_model.load(str(version_dir))
    if tensors.signature not in loaded.signatures:
        raise PackagingError(
            f"{version_dir} has no signature {tensors.signature!r}, only {', '.join(loaded.signatures) or 'none'}.",
            "Name it in the export, or name the right one in detector.yaml.",
        )
    _require_outputs(outputs, list(loaded.signatures[tensors.signature].structured_outputs))

    def answer(items: NDArray[np.generic]) -> Answer:
        answered = loaded.signatures[tensors.signature](**{tensors.input: tf.constant(items)})
        return {name: answered[name].numpy() for name in outputs}

    return answer


def _require_outputs(wanted: Sequence[str], there: Sequence[str]) -> None:
    absent = [name for name in wanted if name not in there]
    if absent:
        raise PackagingError(
            f"The model answers {', '.join(there) or 'nothing'}, not {', '.join(absent)}.",
            "Name the output in the export, or name the right one in detector.yaml.",
        )
