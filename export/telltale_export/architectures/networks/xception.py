"""Xception (Chollet 2017) as timm's ``legacy_xception``, also of FaceForensics++ checkpoints (Roessler 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from telltale_contracts import InputSpec
from torch import nn

from telltale_export.architectures.architecture import Array, Shapes
from telltale_export.architectures.networks.class_activation import PooledDetector, renamed
from telltale_export.architectures.networks.timm_models import timm_model
from telltale_export.architectures.served import Normalise

_HALF = (0.5, 0.5, 0.5)
_MIDDLE_FLOW = range(5, 12)


def build(spec: InputSpec, shapes: Shapes | None, *, middle_flow: bool = True) -> PooledDetector:
    """The detector; without its middle flow it is small enough for a test."""
    del spec, shapes
    network = xception(2, middle_flow=middle_flow)
    return PooledDetector(network, Normalise(_HALF, _HALF), network.forward_features, network.fc)


def xception(classes: int, *, middle_flow: bool) -> Any:
    """timm's network; no classes leave the head out."""
    network = timm_model("legacy_xception", num_classes=classes)
    if not middle_flow:
        for index in _MIDDLE_FLOW:
            setattr(network, f"block{index}", nn.Identity())
    return network


def translate(state: Mapping[str, Array]) -> dict[str, Array]:
    """FaceForensics++ says ``model.`` before every key and ``last_linear`` (after a dropout ``last_linear.1``) for the
    head; its first files hold pointwise kernels without their two dimensions of 1."""
    bare = renamed(state, {"model.": ""})
    named = renamed(bare, {"last_linear.1.": "fc.", "last_linear.": "fc."})
    return {
        key: tensor[:, :, None, None] if ".pointwise.weight" in key and tensor.ndim == 2 else tensor
        for key, tensor in named.items()
    }
