"""Meso4 and MesoInception4 (Afchar 2018) in Keras, layers made in the order of the published files."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers
from telltale_contracts import FaceCrop

from telltale_export.architectures.architecture import Shapes
from telltale_export.architectures.keras_served import KerasDetector, serve

_INCEPTIONS = ((1, 4, 4, 2), (2, 4, 4, 2))
_POOLS = (2, 2, 2, 4)


def build(spec: FaceCrop, shapes: Shapes | None, *, variant: str, hidden: int = 16) -> KerasDetector:
    """Faces uint8 [N, S, S, 3] to P(fake); the published sigmoid is P(real).

    Args:
        spec: S, 256 in what is published.
        shapes: not used, the widths never differed.
        variant: "meso4" or "mesoinception4".
        hidden: units of the layer before the last.
    """
    del shapes
    entry = keras.Input((spec.size, spec.size, 3), name="face")
    x = _meso4(entry) if variant == "meso4" else _mesoinception4(entry)
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    x = layers.LeakyReLU(negative_slope=0.1)(layers.Dense(hidden)(x))
    network = keras.Model(entry, layers.Dense(1, activation="sigmoid")(layers.Dropout(0.5)(x)), name=variant)
    return serve(network, (spec.size, spec.size, 3), prepare=layers.Rescaling(1 / 255), fake=lambda real: 1.0 - real)


def _meso4(x: Any) -> Any:
    for filters, kernel, pool in zip((8, 8, 16, 16), (3, 5, 5, 5), _POOLS, strict=True):
        x = _pooled(layers.Conv2D(filters, kernel, padding="same", activation="relu")(x), pool)
    return x


def _mesoinception4(x: Any) -> Any:
    for widths, pool in zip(_INCEPTIONS, _POOLS[:2], strict=True):
        x = _pooled(_inception(x, *widths), pool)
    for pool in _POOLS[2:]:
        x = _pooled(layers.Conv2D(16, 5, padding="same", activation="relu")(x), pool)
    return x


def _inception(x: Any, point: int, near: int, middle: int, far: int) -> Any:
    branches = [layers.Conv2D(point, 1, padding="same", activation="relu")(x)]
    for width, dilation in ((near, 1), (middle, 2), (far, 3)):
        narrow = layers.Conv2D(width, 1, padding="same", activation="relu")(x)
        branches.append(layers.Conv2D(width, 3, dilation_rate=dilation, padding="same", activation="relu")(narrow))
    return layers.Concatenate()(branches)


def _pooled(x: Any, size: int) -> Any:
    return layers.MaxPooling2D(size, padding="same")(layers.BatchNormalization()(x))
