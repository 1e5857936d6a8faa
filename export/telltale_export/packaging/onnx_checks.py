"""Refuse an ONNX file that a server in the field could not load, or that answers no probability."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import DetectorManifest

from telltale_export.errors import PackagingError
from telltale_export.packaging.scoring import load_scorer
from telltale_export.packaging.tensors import item_shape, item_type
from telltale_export.packaging.triton_config import OutputDims

if TYPE_CHECKING:
    import onnx

MAX_OPSET = 17
MAX_IR = 9
_FLOAT, _UINT8 = 1, 2  # onnx.TensorProto.DataType; onnx itself is imported when a file is checked
_TYPES = {"uint8": _UINT8, "float32": _FLOAT}
_AGREEMENT = 1e-4


def check_onnx(path: Path, manifest: DetectorManifest) -> OutputDims:
    """Check the file and run it; the outputs' dimensions without the batch.

    Opset and IR are those that Triton's images of the last years read. The graph must have the manifest's one input
    and its output, a dynamic batch, and answer in [0, 1] also for silence, full scale and noise; one item must score
    the same alone and in a batch.

    Raises:
        PackagingError: it fails one of these; the message says which.
    """
    import onnx  # noqa: PLC0415 - heavy

    model = onnx.load(str(path))
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise PackagingError(f"{path.name} is not valid ONNX: {error}", "Export it again.") from error
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset > MAX_OPSET or model.ir_version > MAX_IR:
        raise PackagingError(
            f"{path.name} has opset {opset} and IR {model.ir_version}; {MAX_OPSET} and {MAX_IR} are the most.",
            "Export with a lower opset_version, and set model.ir_version.",
        )
    output_dims = _check_signature(model.graph, manifest)
    check_answers(path.parent, manifest)
    return output_dims


def _check_signature(graph: onnx.GraphProto, manifest: DetectorManifest) -> OutputDims:
    constants = {initializer.name for initializer in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in constants]
    if [entry.name for entry in inputs] != [manifest.tensors.input]:
        raise PackagingError(
            f"The graph's inputs are {[entry.name for entry in inputs]}, not [{manifest.tensors.input!r}].",
            "Name the input in the export as detector.yaml names it.",
        )
    wanted = (_TYPES[item_type(manifest.input)], item_shape(manifest.input))
    tensor = inputs[0].type.tensor_type
    given = (tensor.elem_type, tuple(dim.dim_value for dim in tensor.shape.dim[1:]))
    batch = tensor.shape.dim[0].dim_value or "dynamic"
    if given != wanted or batch != "dynamic":
        raise PackagingError(
            f"{manifest.tensors.input} is type {given[0]}, shape {given[1]}, batch {batch};"
            f" type {wanted[0]}, shape {wanted[1]} and a dynamic batch are needed.",
            "Export with dynamic_axes for dimension 0, and with the input spec's shape.",
        )
    outputs = {entry.name: entry for entry in graph.output}
    if manifest.tensors.probability not in outputs:
        raise PackagingError(
            f"The graph's outputs are {sorted(outputs)}, not {manifest.tensors.probability!r}.",
            "Name the output in the export as detector.yaml names it.",
        )
    output = outputs[manifest.tensors.probability].type.tensor_type
    dims = tuple(dim.dim_value for dim in output.shape.dim[1:])
    if output.elem_type != _FLOAT or dims not in ((), (1,)):
        raise PackagingError(
            f"{manifest.tensors.probability} is type {output.elem_type}, dimensions {dims} beside the batch.",
            "The graph must answer one float32 P(fake) for each item: [N] or [N, 1].",
        )
    heatmap = manifest.tensors.heatmap
    return {manifest.tensors.probability: dims} | (
        {} if heatmap is None else {heatmap: _heatmap_dims(outputs, heatmap)}
    )


def _heatmap_dims(outputs: Mapping[str, onnx.ValueInfoProto], name: str) -> tuple[int, ...]:
    tensor = outputs[name].type.tensor_type if name in outputs else None
    if tensor is None or tensor.elem_type != _FLOAT or len(tensor.shape.dim) != 3:
        raise PackagingError(
            f"The graph's outputs are {sorted(outputs)}; {name} must be one of them, float32 [N, h, w].",
            "Name the class activation map in the export as detector.yaml names it.",
        )
    return tuple(dim.dim_value or -1 for dim in tensor.shape.dim[1:])


def check_answers(version_dir: Path, manifest: DetectorManifest) -> None:
    """Run an artefact on silence, full scale and noise: probabilities, and of one item the same alone and in a batch.

    Raises:
        PackagingError: an answer is none, or depends on the batch.
    """
    inputs = _extremes(manifest)
    score = load_scorer(version_dir, manifest.tensors)
    together = score(inputs)
    alone = np.concatenate([score(inputs[i : i + 1]) for i in range(2)])
    require_probabilities(together)
    if np.abs(together[:2] - alone).max() > _AGREEMENT:
        raise PackagingError(
            f"An item scores {alone.tolist()} alone and {together[:2].tolist()} in a batch.",
            "Put the graph in inference mode before the export (batch norm and dropout must not look at the batch).",
        )


def require_probabilities(scores: NDArray[np.float32]) -> None:
    """Refuse scores that are not all finite and in [0, 1].

    Raises:
        PackagingError: one is not.
    """
    if not np.isfinite(scores).all() or scores.min() < 0.0 or scores.max() > 1.0:
        raise PackagingError(
            f"The model answers {scores.tolist()}.", "Its output must be a finite P(fake) in [0, 1]: end in a sigmoid."
        )


def _extremes(manifest: DetectorManifest) -> NDArray[np.generic]:
    random = np.random.default_rng(0)
    shape = item_shape(manifest.input)
    if item_type(manifest.input) == "uint8":
        noise = random.integers(0, 256, size=shape, dtype=np.uint8)
        return np.stack([noise, np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)])
    noisy = random.normal(0.0, 0.1, size=shape).astype(np.float32)
    return np.stack([noisy, np.zeros(shape, np.float32), np.ones(shape, np.float32)])
