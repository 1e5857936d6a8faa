"""Networks of single face crops from timm; each head is global average pooling and one linear layer."""

from __future__ import annotations

from telltale_contracts import FaceCrop

from telltale_export.architectures.architecture import Architecture, Reduced

_EFFICIENTNET = "Tan and Le 2019, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"
_TWO_CLASSES = "The source answers logits [real, fake]; P(fake) is the softmax of the second."
_SMALL = "test_efficientnet"

ARCHITECTURES = (
    Architecture(
        name="efficientnet-b0",
        framework="torch",
        forgery="face_swap",
        input=FaceCrop(size=224, margin=1.0, fit="stretch"),
        paper=_EFFICIENTNET,
        convention=_TWO_CLASSES,
        layout="timm's efficientnet_b0 with two classes: conv_stem, blocks, conv_head, classifier",
        module="efficientnet",
        options={"backbone": "efficientnet_b0"},
        reduced=Reduced({"backbone": _SMALL}, FaceCrop(size=64, margin=1.0, fit="stretch")),
        heatmap=True,
    ),
    Architecture(
        name="efficientnet-b3",
        framework="torch",
        forgery="face_swap",
        input=FaceCrop(size=288, margin=1.0, fit="stretch"),
        paper=_EFFICIENTNET,
        convention=_TWO_CLASSES,
        layout="timm's efficientnet_b3 with two classes: conv_stem, blocks, conv_head, classifier",
        module="efficientnet",
        options={"backbone": "efficientnet_b3"},
        reduced=Reduced({"backbone": _SMALL}, FaceCrop(size=96, margin=1.0, fit="stretch")),
        heatmap=True,
    ),
    Architecture(
        name="efficientnet-b7",
        framework="torch",
        forgery="face_swap",
        input=FaceCrop(size=380, margin=1.6667, fit="pad"),
        paper=_EFFICIENTNET,
        convention="The source's sigmoid is P(fake).",
        layout="encoder.* as timm's tf_efficientnet_b7, with or without its ImageNet classifier, and fc",
        module="efficientnet",
        options={"backbone": "tf_efficientnet_b7", "encoder": True},
        reduced=Reduced({"backbone": _SMALL}, FaceCrop(size=96, margin=1.6667, fit="pad")),
        heatmap=True,
        max_batch=8,
    ),
    Architecture(
        name="xception",
        framework="torch",
        forgery="face_swap",
        input=FaceCrop(size=299, margin=1.3),
        paper="Roessler, Cozzolino, Verdoliva, Riess, Thies and Niessner 2019, FaceForensics++: Learning to Detect "
        "Manipulated Facial Images",
        convention=_TWO_CLASSES,
        layout="timm's legacy_xception with fc, or FaceForensics++'s model.* with last_linear",
        module="xception",
        reduced=Reduced({"middle_flow": False}, FaceCrop(size=96, margin=1.3)),
        heatmap=True,
        max_batch=16,
    ),
)
