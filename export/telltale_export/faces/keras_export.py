"""FaceNet -> Keras -> SavedModel for TensorFlow Serving: uint8 pictures in, P(fake) out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from telltale_contracts import TensorNames

from telltale_export.conversion.parity import Difference, difference, require_parity
from telltale_export.faces.network import STEM, TOP, FaceNet, block_shapes, convolutions, folded
from telltale_export.faces.training import score
from telltale_export.packaging import score_artifact


def export_saved_model(net: FaceNet, folder: Path, tensors: TensorNames, probe: NDArray[np.uint8]) -> Path:
    """Write a SavedModel into a folder and compare its answers with the network's.

    Args:
        net: the trained network.
        folder: where to write.
        tensors: names of input, output and signature.
        probe: uint8 [N, S, S, 3]; both must answer the same on it.

    Raises:
        PackagingError: TensorFlow answers otherwise than torch.
    """
    size = probe.shape[1]
    model = build_keras(size, tensors)
    copy_weights(net, model)

    # Not keras.export.ExportArchive: it writes every variable twice (Keras 3.15).
    served = tf.Module()
    served.kept = [variable.value for variable in model.variables]
    serve = tf.function(
        lambda pictures: {tensors.probability: model(pictures, training=False)},
        input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8, name=tensors.input)],
    )
    served.serve = serve
    tf.saved_model.save(served, str(folder), signatures={tensors.signature: serve.get_concrete_function()})
    apart = difference(score_artifact(folder, tensors, probe), score(net, probe))
    require_parity(Difference("TensorFlow", "torch", "golden", apart))
    return folder


def build_keras(size: int, tensors: TensorNames) -> Any:
    """The same network in Keras, uint8 [N, size, size, 3] to float32 [N, 1]; its weights are still random."""
    entry = keras.Input((size, size, 3), dtype="uint8", name=tensors.input)
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(entry)
    x = _conv(x, STEM, 3, 2, "stem")
    for index, shape in enumerate(block_shapes()):
        y = x
        if shape.expands:
            y = _conv(y, shape.hidden, 1, 1, f"block{index}_expand")
        y = _conv(y, None, 3, shape.stride, f"block{index}_depthwise")
        y = _conv(y, shape.outputs, 1, 1, f"block{index}_project", linear=True)
        x = layers.Add(name=f"block{index}_add")([x, y]) if shape.residual else y
    x = _conv(x, TOP, 1, 1, "top")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    probability = layers.Dense(1, activation="sigmoid", name=tensors.probability)(x)
    return keras.Model(entry, probability)


def copy_weights(net: FaceNet, model: Any) -> None:
    """Give the Keras network the weights of the PyTorch one, batch norm folded in."""
    convs = [layer for layer in model.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)]
    for own, conv in zip(convolutions(net), convs, strict=True):
        weight, bias = folded(own)
        # PyTorch: [out, in / groups, h, w]; Keras: [h, w, in, out], of a depthwise one [h, w, channels, 1].
        order = (2, 3, 0, 1) if isinstance(conv, layers.DepthwiseConv2D) else (2, 3, 1, 0)
        conv.set_weights([weight.transpose(order), bias])
    model.layers[-1].set_weights([net.head.weight.detach().numpy().T, net.head.bias.detach().numpy()])


def _conv(x: Any, filters: int | None, kernel: int, stride: int, name: str, *, linear: bool = False) -> Any:
    # SAME pads to the right and below where the stride is 2 and the side even, as the PyTorch network does.
    shared = {"strides": stride, "padding": "same", "name": name}
    layer = layers.DepthwiseConv2D(kernel, **shared) if filters is None else layers.Conv2D(filters, kernel, **shared)
    return layer(x) if linear else layers.ReLU(6.0, name=f"{name}_relu")(layer(x))
