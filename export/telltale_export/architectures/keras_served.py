"""What every Keras architecture is served as: raw input in, P(fake) out, normalisation inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers


@dataclass(frozen=True)
class KerasDetector:
    """A published Keras network as it is served.

    Attributes:
        network: a ``keras.Model`` whose layers are those of the published file, in the order in which its author made
            them (that is how Keras numbers them).
        served: a ``keras.Model`` around it: raw input to ``{"probability": float32 [N]}``, and ``"heatmap"``: float32
            [N, h, w] where the architecture has one.
    """

    network: Any
    served: Any


def serve(
    network: Any, shape: tuple[int, ...], *, prepare: Callable[[Any], Any], fake: Callable[[Any], Any]
) -> KerasDetector:
    """Put a network between the raw uint8 input and P(fake).

    Args:
        network: one output, [N, 1]; two where there is a heatmap: that and float32 [N, h, w].
        shape: of one raw item.
        prepare: from the raw input to what the network was trained on.
        fake: from the network's first output to P(fake).
    """
    raw = keras.Input(shape, dtype="uint8", name="pictures")
    answer = network(prepare(raw))
    score, *heatmap = answer if isinstance(answer, list) else [answer]
    outputs = {"probability": layers.Reshape((), name="probability")(fake(score))}
    if heatmap:
        outputs["heatmap"] = heatmap[0]
    return KerasDetector(network=network, served=keras.Model(raw, outputs))


def settle(network: Any) -> None:
    """Let a network that was given weights know them where it keeps a copy.

    Keras's Normalization works out its constants when it is adapted, as tensors that belong to no graph; as numpy
    arrays they become part of every graph that is made from it.
    """
    for layer in network.layers:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
