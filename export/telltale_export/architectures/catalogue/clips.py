"""Networks of clips: several pictures of one person, or of the whole frame, and one score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from telltale_contracts import ChromaHistogram, EyeClip, FaceClip, FrameClip, Sampling

from telltale_export.architectures.architecture import Architecture, Reduced

_SIGMOID = "The source's sigmoid is P(fake)."
_SIGLIP_PAPER = "Zhai, Mustafa, Kolesnikov and Beyer 2023, Sigmoid Loss for Language Image Pre-Training (the backbone)"
# Frame by frame, as far as a bundle with other detectors' crops in it stays of a size: ten seconds at 25 a second.
_DENSE = Sampling(max_frames=256)
_SIGLIP_KEYS = "siglip_backbone.* as transformers' SiglipVisionModel, lstm of two layers both ways, "


def _siglip(version: str, heads: str, options: Mapping[str, Any]) -> Architecture:
    return Architecture(
        name=f"siglip-lstm-{version}",
        framework="torch",
        forgery="face_swap",
        input=FrameClip(size=224, frames=120),
        paper=_SIGLIP_PAPER,
        convention=_SIGMOID,
        layout=_SIGLIP_KEYS + heads,
        module="siglip_lstm",
        options=options,
        reduced=Reduced({"width": 64, "depth": 1, "lstm_hidden": 16}, FrameClip(size=32, frames=4)),
        sampling=Sampling(max_frames=120),
        max_batch=1,
    )


ARCHITECTURES = (
    Architecture(
        name="efficientnet-b0-3d-attention",
        framework="torch",
        forgery="face_swap",
        input=FaceClip(size=224, frames=16),
        paper="Tan and Le 2019, EfficientNet (the backbone)",
        convention=_SIGMOID,
        layout="backbone.features.* as torchvision's efficientnet_b0, temporal_conv, temporal_attention, "
        "channel_attention, spatial_attention, classifier",
        module="attention_3d",
        reduced=Reduced({"backbone": "test_efficientnet", "width": 64}, FaceClip(size=64, frames=4)),
        max_batch=4,
    ),
    Architecture(
        name="resnext50-lstm",
        framework="torch",
        forgery="face_swap",
        input=FaceClip(size=112, margin=1.0, fit="stretch", frames=20, spacing="consecutive"),
        paper="Xie, Girshick, Dollar, Tu and He 2017, Aggregated Residual Transformations (the backbone)",
        convention="The source answers logits [fake, real], as its published script reads them; P(fake) is the softmax "
        "of the first.",
        layout="model.0, .1, .4 to .7 as the children of torchvision's resnext50_32x4d, lstm of either form, linear1",
        module="resnext_lstm",
        reduced=Reduced(
            {"layers": (1, 1, 1, 1), "hidden": 16},
            FaceClip(size=64, margin=1.0, fit="stretch", frames=3, spacing="consecutive"),
        ),
        sampling=_DENSE,
        max_batch=4,
    ),
    _siglip("v1", "video_classifier and image_classifier of one layer", {"hidden_head": False}),
    _siglip("v3", "video_classifier and image_classifier of one layer", {"hidden_head": False}),
    _siglip("v4", "video_classifier and image_classifier with a hidden layer", {"hidden_head": True}),
    Architecture(
        name="color-cues-lstm",
        framework="torch",
        forgery="face_swap",
        input=ChromaHistogram(frames=32, bins=32, padding=20, stride=1),
        paper="McCloskey and Albright 2018, Detecting GAN-generated Imagery using Color Cues (the histograms)",
        convention=_SIGMOID,
        layout="lstm, fc1, fc2",
        module="color_cues",
        reduced=Reduced({"hidden": 16}, ChromaHistogram(frames=4, bins=8, padding=20, stride=1)),
        sampling=_DENSE,
    ),
    Architecture(
        name="eyeblink-cnn-lstm",
        framework="torch",
        forgery="face_swap",
        input=EyeClip(frames=10, height=160, width=160, padding=15, threshold=0.22, min_closed=2, stride=1),
        paper="Li, Chang and Lyu 2018, In Ictu Oculi: Exposing AI Generated Fake Face Videos by Detecting Eye Blinking",
        convention=_SIGMOID,
        layout="cnn_base.* as timm's legacy_xception without its head, lstm, fc",
        module="eyeblink",
        reduced=Reduced(
            {"middle_flow": False},
            EyeClip(frames=3, height=80, width=80, padding=15, threshold=0.22, min_closed=2, stride=1),
        ),
        sampling=_DENSE,
        max_batch=8,
    ),
)
