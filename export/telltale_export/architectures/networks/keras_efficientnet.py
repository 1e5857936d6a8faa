"""EfficientNet-B0 of keras.applications with global pooling and one dense unit.

keras.applications scales pixels by 1 / 255 inside its graph. The published system had divided by 255 before as well;
its weights know the picture so, and both divisions are kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import layers
from telltale_contracts import FaceCrop

from telltale_export.architectures.architecture import Array, Shapes
from telltale_export.architectures.keras_served import KerasDetector, serve

_MEAN, _VARIANCE = "normalization/mean", "normalization/variance"
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def translate(state: Mapping[str, Array]) -> dict[str, Array]:
    """Fold in what a network that was initialised from ImageNet does besides, and what its file does not show.

    There keras.applications keeps the deviations where variances belong, and makes up for it by a layer without
    weights that divides by their roots once more.
    """
    translated = dict(state)
    mean, variance = (translated.get(key) for key in (_MEAN, _VARIANCE))
    if mean is not None and variance is not None and variance.shape == mean.shape == (3,):
        imagenet = np.allclose(mean, _IMAGENET_MEAN, atol=1e-4) and np.allclose(
            variance, _IMAGENET_DEVIATION, atol=1e-4
        )
        if imagenet:
            translated[_VARIANCE] = np.square(variance)
    return translated


def build(spec: FaceCrop, shapes: Shapes | None) -> KerasDetector:
    """Faces uint8 [N, S, S, 3] to P(fake), and the class activation map [N, S / 32, S / 32], whose mean is its logit.

    The dense unit comes before the pooling, not after: a mean and a linear unit change places, and what is pooled
    then is the map.

    Args:
        spec: S, 64 in what is published.
        shapes: not used, the widths never differed.
    """
    del shapes
    shape = (spec.size, spec.size, 3)
    base = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=shape)
    evidence = layers.Dense(1, name="dense")(base.output)
    logit = layers.GlobalAveragePooling2D(name="avg_pool")(evidence)
    network = keras.Model(base.input, [logit, layers.Reshape(base.output.shape[1:3])(evidence)], name="efficientnetb0")
    return serve(network, shape, prepare=layers.Rescaling(1 / 255), fake=keras.activations.sigmoid)
