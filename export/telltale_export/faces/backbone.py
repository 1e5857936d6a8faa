"""MobileNetV2's ImageNet weights (Sandler 2018) out of the int8 TensorFlow Lite file that is published of it.

The file holds 52 convolutions with their batch norm folded in, then the ImageNet classifier, which is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_export.errors import DataError, ExportError

CONVOLUTIONS = 52
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


class UnfitBackbone(ExportError):
    """The file is not MobileNetV2 1.0 as it is expected."""


@dataclass(frozen=True)
class FoldedConvolution:
    """One convolution: weights float32 [out, in / groups, height, width], bias float32 [out], and whether depthwise."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    depthwise: bool


def read_backbone(path: Path) -> list[FoldedConvolution]:
    """Dequantise the convolutions of the file, in the order in which they are computed.

    Raises:
        DataError: there is no such file.
        UnfitBackbone: it has other convolutions than MobileNetV2 1.0.
    """
    if not path.is_file():
        raise DataError(f"There is no backbone at {path}.", "Give MobileNetV2 1.0 as .tflite with --backbone.")
    interpreter = _interpreter(path)
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    operations = [o for o in interpreter._get_ops_details() if o["op_name"] in _CONVOLUTIONS]  # noqa: SLF001
    kernels = [tensors[operation["inputs"][1]] for operation in operations]
    shapes = [tuple(kernel["shape"].tolist()) for kernel in kernels]
    if len(shapes) != CONVOLUTIONS + 1 or shapes[0] != (32, 3, 3, 3) or {k["dtype"] for k in kernels} != {np.int8}:
        raise UnfitBackbone(
            f"{path.name} has {len(shapes)} convolutions; MobileNetV2 1.0 has {CONVOLUTIONS + 1}, of int8.",
            "Give tf2_mobilenet_v2_1.0_224_ptq.tflite.",
        )
    found = []
    for operation, kernel in zip(operations[:CONVOLUTIONS], kernels, strict=False):
        depthwise = operation["op_name"] == "DEPTHWISE_CONV_2D"
        weight = _torch_order(_dequantised(interpreter, kernel), depthwise)
        bias = _dequantised(interpreter, tensors[operation["inputs"][2]])
        found.append(FoldedConvolution(weight, bias, depthwise))
    return found


def pooled_features(path: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the int8 network itself makes of pictures uint8 [N, 224, 224, 3]: float32 [N, 1280], to compare with."""
    interpreter = _interpreter(path)
    pooled = next(o["outputs"][0] for o in interpreter._get_ops_details() if o["op_name"] == "MEAN")  # noqa: SLF001
    detail = next(t for t in interpreter.get_tensor_details() if t["index"] == pooled)
    scale, zero = detail["quantization"]
    entry = interpreter.get_input_details()[0]["index"]
    features = []
    for picture in pictures:
        interpreter.set_tensor(entry, picture[None])
        interpreter.invoke()
        features.append((interpreter.get_tensor(pooled).astype(np.float32).ravel() - zero) * scale)
    return np.stack(features)


def _interpreter(path: Path) -> Any:
    import tensorflow as tf  # noqa: PLC0415 - three seconds to import

    # Without the delegate every intermediate tensor can be read back.
    interpreter = tf.lite.Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    return interpreter


def _dequantised(interpreter: Any, detail: Mapping[str, Any]) -> NDArray[np.float32]:
    parameters = detail["quantization_parameters"]
    values = interpreter.get_tensor(detail["index"]).astype(np.float64)
    shape = [1] * values.ndim
    if len(parameters["scales"]) > 1:
        shape[parameters["quantized_dimension"]] = -1
    scales = parameters["scales"].astype(np.float64).reshape(shape)
    zeros = parameters["zero_points"].astype(np.float64).reshape(shape)
    return np.asarray((values - zeros) * scales, dtype=np.float32)


def _torch_order(weight: NDArray[np.float32], depthwise: bool) -> NDArray[np.float32]:
    # TensorFlow Lite: [out, h, w, in], of a depthwise one [1, h, w, channels].
    return np.ascontiguousarray(weight.transpose(3, 0, 1, 2) if depthwise else weight.transpose(0, 3, 1, 2))
