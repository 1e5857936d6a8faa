"""EfficientNet-B0 (Tan 2019) at 64 pixels, as keras.applications has it, for the faces of a Haar cascade."""

from __future__ import annotations

from telltale_contracts import FaceCrop

from telltale_export.architectures.architecture import Architecture, Reduced

ARCHITECTURES = (
    Architecture(
        name="efficientnet-b0-64",
        framework="keras",
        forgery="face_swap",
        input=FaceCrop(size=64, margin=1.4),
        paper="Tan and Le 2019, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        convention="The source's sigmoid is P(fake).",
        layout="Keras .h5 weights: stem_conv, block1a_* ... block7a_*, top_conv, top_bn as keras.applications names "
        "them, normalization, and dense_* once",
        module="keras_efficientnet",
        reduced=Reduced(input=FaceCrop(size=32, margin=1.4)),
        heatmap=True,
    ),
)
