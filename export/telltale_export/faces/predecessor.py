"""The weights of an earlier version out of what is served of it, so that training goes on from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_export.errors import DataError
from telltale_export.faces.backbone import CONVOLUTIONS, FoldedConvolution
from telltale_export.faces.network import TOP, FaceNet, insert_backbone
from telltale_export.packaging import ONNX_FILE, SAVED_MODEL_FILE


@dataclass(frozen=True)
class Predecessor:
    """A version's convolutions with their batch norm folded in, and its head: float32 [1, 1280] and [1]."""

    convolutions: list[FoldedConvolution]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def read_version(folder: Path) -> Predecessor:
    """Read a version of one of the face detectors, as ``onnx_export`` or ``keras_export`` wrote it.

    Raises:
        DataError: the folder holds neither, or another network.
    """
    if (folder / ONNX_FILE).is_file():
        tensors = _of_onnx(folder / ONNX_FILE)
    elif (folder / SAVED_MODEL_FILE).is_file():
        tensors = _of_saved_model(folder)
    else:
        raise DataError(f"{folder} holds no {ONNX_FILE} and no {SAVED_MODEL_FILE}.", "Give the folder of a version.")
    if len(tensors) != 2 * (CONVOLUTIONS + 1) or tensors[-2].shape != (1, TOP):
        raise DataError(f"{folder} holds no MobileNetV2 in single precision.", "Give a version that was trained here.")
    weights, biases = tensors[0:-2:2], tensors[1:-2:2]
    convolutions = [
        FoldedConvolution(weight, bias, weight.shape[1] == 1) for weight, bias in zip(weights, biases, strict=True)
    ]
    return Predecessor(convolutions, *tensors[-2:])


def _of_onnx(path: Path) -> list[NDArray[np.float32]]:
    """Weight and bias of every layer, in the order in which they are computed."""
    import onnx  # noqa: PLC0415 - heavy

    graph = onnx.load(str(path)).graph
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers = [node.input[1:] for node in graph.node if node.op_type in {"Conv", "Gemm"}]
    return [tensors[name].copy() for names in layers for name in names if name in tensors]


def _of_saved_model(folder: Path) -> list[NDArray[np.float32]]:
    import tensorflow as tf  # noqa: PLC0415 - three seconds to import

    kept = [variable.numpy() for variable in tf.saved_model.load(str(folder)).kept]
    return [np.ascontiguousarray(_torch_order(tensor)) for tensor in kept]


def _torch_order(tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    # Keras: [h, w, in, out], of a depthwise one [h, w, channels, 1], of a dense one [in, out].
    if tensor.ndim == 4:
        return tensor.transpose((2, 3, 0, 1) if tensor.shape[3] == 1 else (3, 2, 0, 1))
    return tensor.T


@torch.no_grad()
def insert_version(net: FaceNet, version: Predecessor, pictures: NDArray[np.uint8]) -> None:
    """Load a version; its batch norm is measured on ``pictures``, as ``insert_backbone`` does."""
    insert_backbone(net, version.convolutions, pictures)
    net.head.weight.copy_(torch.from_numpy(version.weight))
    net.head.bias.copy_(torch.from_numpy(version.bias))
