"""Narrow an ONNX detector's numbers, and refuse what its scores or its heatmaps do not survive."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Precision, TensorNames

from telltale_export.errors import PackagingError
from telltale_export.evaluation import area_under_roc
from telltale_export.packaging.onnx_checks import MAX_IR
from telltale_export.packaging.runtime import onnx_runtime
from telltale_export.packaging.scoring import Answer, answer_artifact
from telltale_export.packaging.versions import ONNX_FILE
from telltale_export.precision.inputs import LabelledInputs

Kind = Literal["fp16", "int8"]

# The largest change of one score that is let pass when nobody says otherwise.
DEFAULT_LIMITS: Mapping[Kind, float] = {"fp16": 0.01, "int8": 0.1}
# The same of ``heatmap_drift``: at one half, a quarter of what varies over the map is the narrowing's own.
DEFAULT_HEATMAP_LIMITS: Mapping[Kind, float] = {"fp16": 0.05, "int8": 0.5}
_LEAST = 4
_DIGITS = 6
# Not elementwise arithmetic: the normalisation and the activation map would lose more than they gain.
_QUANTISED = ["Conv", "Gemm", "MatMul"]
# Neither the CPU nor CUDA has these in half precision in every runtime of the last years.
_SINGLE = ["LSTM", "GRU", "Resize"]


@dataclass(frozen=True)
class DriftLimits:
    """The most that narrowing may change: one score, and heatmaps; ``DEFAULT_LIMITS`` and its sister where none."""

    score: float | None = None
    heatmap: float | None = None


@dataclass(frozen=True)
class Narrowed:
    """The narrowed graph, and what its card says of it."""

    model: bytes
    precision: Precision


def narrow(
    model: Path, kind: Kind, inputs: LabelledInputs, tensors: TensorNames, limits: DriftLimits | None = None
) -> Narrowed:
    """Narrow a graph in single precision and measure what that changed. Writes nothing.

    fp16 keeps inputs and outputs as they are. int8 is static quantisation as QDQ, a scale for each output channel;
    ranges are taken from every other input, drift is measured on the rest.

    Args:
        model: the ONNX file.
        kind: what to narrow to.
        inputs: as the detector is served them; at least 4.
        tensors: names of input and outputs; a heatmap among them is measured too.
        limits: what is let pass; the kind's own when not given.

    Raises:
        PackagingError: there are too few inputs, the tools cannot do it, or a score or the heatmaps drift too far.
    """
    if len(inputs.items) < _LEAST:
        raise PackagingError(
            f"{len(inputs.items)} inputs are too few to narrow a model on.", f"Give {_LEAST} at least, better hundreds."
        )
    ranges, measured = inputs.halves() if kind == "int8" else (None, inputs)
    with tempfile.TemporaryDirectory(prefix="telltale-precision-") as folder:
        narrowed = Path(folder) / ONNX_FILE
        try:
            if ranges is None:
                _halve(model, narrowed)
            else:
                _quantise(model, narrowed, tensors.input, ranges.items)
        except (ValueError, RuntimeError, KeyError) as error:
            raise PackagingError(
                f"{model.name} cannot be narrowed to {kind}: {error}", "Serve it in single precision."
            ) from error
        single = _answers_of(model, tensors, measured)
        answers = answer_artifact(narrowed.parent, tensors, measured.items, list(single))
        limits = limits or DriftLimits()
        precision = _drift(
            kind,
            single[tensors.probability].reshape(-1),
            answers[tensors.probability].reshape(-1),
            measured,
            DEFAULT_LIMITS[kind] if limits.score is None else limits.score,
        )
        if tensors.heatmap is not None:
            most = DEFAULT_HEATMAP_LIMITS[kind] if limits.heatmap is None else limits.heatmap
            moved = _require_likeness(kind, answers[tensors.heatmap], single[tensors.heatmap], most)
            precision = precision.model_copy(update={"heatmap_drift": round(moved, _DIGITS), "heatmap_limit": most})
        return Narrowed(narrowed.read_bytes(), precision)


def heatmap_drift(maps: NDArray[np.floating], of_single: NDArray[np.floating]) -> float:
    """How far narrowing moved heatmaps [N, h, w]: the root mean square of the cells' change, in parts of that of what
    is seen in the maps in single precision, their cells less each map's mean. Infinite where one is no number, or
    where there is nothing to be seen."""
    exact = of_single.astype(np.float64)
    seen = exact - exact.mean(axis=(1, 2), keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        drift = float(np.sqrt(np.square(maps - exact).mean() / np.square(seen).mean()))
    return drift if np.isfinite(drift) else float("inf")


def _require_likeness(kind: Kind, maps: NDArray[np.floating], of_single: NDArray[np.floating], limit: float) -> float:
    drift = heatmap_drift(maps, of_single)
    if drift > limit:
        raise PackagingError(
            f"In {kind} heatmaps drift by {drift:.3f} of what is seen in them; {limit:g} is allowed "
            f"({len(maps)} inputs).",
            "Serve it in single precision, give more and more typical inputs, or allow more with --max-heatmap-drift.",
        )
    return drift


def _answers_of(model: Path, tensors: TensorNames, inputs: LabelledInputs) -> Answer:
    outputs = [name for name in (tensors.probability, tensors.heatmap) if name is not None]
    if model.name == ONNX_FILE:
        return answer_artifact(model.parent, tensors, inputs.items, outputs)
    with tempfile.TemporaryDirectory(prefix="telltale-precision-") as folder:
        (Path(folder) / ONNX_FILE).write_bytes(model.read_bytes())
        return answer_artifact(Path(folder), tensors, inputs.items, outputs)


def _drift(
    kind: Kind,
    single: NDArray[np.float32],
    scores: NDArray[np.float32],
    inputs: LabelledInputs,
    limit: float,
) -> Precision:
    change = np.abs(scores.astype(np.float64) - single)
    # Not "> limit": a score that is no number must not pass.
    if not float(change.max()) <= limit:
        worst = int(change.argmax())
        raise PackagingError(
            f"In {kind} a score drifts by {change.max():.4f}, from {single[worst]:.4f} to {scores[worst]:.4f}; "
            f"{limit:g} is allowed (mean {change.mean():.4f} over {len(change)} inputs).",
            "Serve it in single precision, give more and more typical inputs, or allow more with --max-drift.",
        )
    return Precision(
        kind=kind,
        calibrated_on=None if kind == "fp16" else f"every other one of {inputs.source}",
        measured_on=f"{inputs.source}, on a CPU" if kind == "fp16" else f"the other ones of {inputs.source}",
        n=len(change),
        max_drift=round(float(change.max()), _DIGITS),
        mean_drift=round(float(change.mean()), _DIGITS),
        limit=limit,
        auc_change=_auc_change(single, scores, inputs.fake),
    )


def _auc_change(
    single: NDArray[np.float32], narrowed: NDArray[np.float32], fake: NDArray[np.bool_] | None
) -> float | None:
    if fake is None or fake.all() or not fake.any():
        return None
    before, after = (area_under_roc(scores.astype(np.float64), fake) for scores in (single, narrowed))
    return round(after - before, _DIGITS)


def _halve(model: Path, narrowed: Path) -> None:
    import onnx  # noqa: PLC0415 - heavy

    onnx_runtime()
    from onnxruntime.transformers import float16  # noqa: PLC0415 - heavy
    from onnxruntime.transformers.onnx_model import OnnxModel  # noqa: PLC0415 - heavy

    blocked = [*float16.DEFAULT_OP_BLOCK_LIST, *_SINGLE]
    halved = float16.convert_float_to_float16(onnx.load(str(model)), keep_io_types=True, op_block_list=blocked)
    # It casts a tensor once for each place where one node takes it (an LSTM its two initial states).
    made = {tuple(node.output): node for node in reversed(halved.graph.node)}
    once = [node for node in halved.graph.node if made[tuple(node.output)] is node]
    del halved.graph.node[:]
    halved.graph.node.extend(once)
    OnnxModel.graph_topological_sort(halved.graph)
    _save(halved, narrowed)


def _quantise(model: Path, narrowed: Path, name: str, items: NDArray[np.generic]) -> None:
    import onnx  # noqa: PLC0415 - heavy

    onnx_runtime()
    from onnxruntime import quantization  # noqa: PLC0415 - heavy
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415 - heavy

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime carries no types
        def __init__(self) -> None:
            self._rest = iter(items)

        def get_next(self) -> dict[str, Any] | None:
            item = next(self._rest, None)
            return None if item is None else {name: item[None]}

    prepared = narrowed.with_name("prepared.onnx")
    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it warns through the root logger of what the line above has just done
    try:
        quantization.quantize_static(
            str(prepared),
            str(narrowed),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=_QUANTISED,
            per_channel=True,
            # Seven bits of weight: with eight, CPUs without VNNI saturate their sixteen-bit sums in silence.
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
    finally:
        root.setLevel(level)
    _save(onnx.load(str(narrowed)), narrowed)


def _save(model: Any, path: Path) -> None:
    import onnx  # noqa: PLC0415 - heavy

    model.ir_version = min(model.ir_version, MAX_IR)
    onnx.save(model, str(path))
