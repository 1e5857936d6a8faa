"""The last steps of every ONNX graph: an IR that older servers read, and the shapes of everything in it."""

from __future__ import annotations

import onnx

from telltale_export.errors import PackagingError
from telltale_export.packaging import MAX_IR


def finish(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with its shapes inferred, IR at most ``MAX_IR``, and no operator set that it does not use.

    Raises:
        PackagingError: two operators disagree about a shape.
    """
    used = {node.domain for node in model.graph.node} | {node.domain for f in model.functions for node in f.node}
    kept = [opset for opset in model.opset_import if opset.domain in used or opset.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model.ir_version = min(model.ir_version, MAX_IR)
    try:
        return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise PackagingError(f"The converted graph contradicts itself: {error}", "Report the architecture.") from error
