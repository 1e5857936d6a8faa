"""A Keras detector as ONNX, by tf2onnx, for Triton."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import onnx
import tensorflow as tf

from telltale_export.architectures.keras_served import KerasDetector
from telltale_export.conversion.onnx_finish import finish
from telltale_export.packaging import MAX_OPSET, ONNX_FILE


def keras_to_onnx(detector: KerasDetector, folder: Path, entry: str, outputs: Sequence[str]) -> Path:
    """Write ``model.onnx`` into a folder.

    Args:
        detector: with its weights.
        folder: where to write.
        entry: the name of the input.
        outputs: the names of the answers, "probability" and perhaps "heatmap".
    """
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    import tf2onnx  # noqa: PLC0415 - sets up its logging when imported

    signature = [tf.TensorSpec((None, *detector.served.inputs[0].shape[1:]), tf.uint8, name=entry)]
    serve = tf.function(lambda pictures: detector.served(pictures, training=False), input_signature=signature)
    model, _ = tf2onnx.convert.from_function(serve, input_signature=signature, opset=MAX_OPSET)
    path = folder / ONNX_FILE
    onnx.save(finish(_batched(model, entry, outputs)), str(path))
    return path


def _batched(model: onnx.ModelProto, entry: str, outputs: Sequence[str]) -> onnx.ModelProto:
    """Name the batch, which tf2onnx calls unk__0 and so on, alike everywhere."""
    for tensor in [*model.graph.input, *model.graph.output]:
        if tensor.name in (entry, *outputs):
            tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model
