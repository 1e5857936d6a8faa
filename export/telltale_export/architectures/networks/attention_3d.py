"""EfficientNet-B0 over the faces of a clip, convolutions over time, and three attentions over what they give.

The published network holds torchvision's B0; timm's is the same function with other names for its weights, so the keys
are translated. Its pooled features have no extent, so the 3-D layers see [N, C, T, 1, 1].
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from telltale_contracts import InputSpec
from torch import Tensor, nn

from telltale_export.architectures.architecture import Array, Shapes
from telltale_export.architectures.networks.class_activation import width_of
from telltale_export.architectures.networks.clips import ClipDetector, per_frame
from telltale_export.architectures.networks.timm_models import timm_model
from telltale_export.architectures.served import IMAGENET_MEAN, IMAGENET_STD, Normalise

_ENDS = {"0.0": "conv_stem", "0.1": "bn1", "8.0": "conv_head", "8.1": "bn2"}
_SQUEEZE = {"fc1": "se.conv_reduce", "fc2": "se.conv_expand"}
# The first stage does not expand: its blocks are a depthwise convolution, squeeze and excitation, and a projection.
_FIRST = {"0.0": "conv_dw", "0.1": "bn1", "2.0": "conv_pw", "2.1": "bn2"}
_LATER = {"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "3.0": "conv_pwl", "3.1": "bn3"}
_END = re.compile(r"(\d\.\d)\.(\w+)")
_BLOCK = re.compile(r"(\d)\.(\d)\.block\.(\d)\.(\d|fc1|fc2)\.(\w+)")


def build(
    spec: InputSpec, shapes: Shapes | None, *, backbone: str = "efficientnet_b0", width: int = 512
) -> ClipDetector:
    """The detector; ``width`` is that of the layers over time."""
    del spec
    width = width_of(shapes, "temporal_conv.0.weight", width)
    network = AttentionOverTime(backbone, width, width_of(shapes, "channel_attention.0.weight", width // 8))
    return ClipDetector(network, Normalise(IMAGENET_MEAN, IMAGENET_STD))


class AttentionOverTime(nn.Module):
    """``backbone`` over the faces, ``temporal_conv`` and the attentions over time, ``classifier`` on their mean."""

    def __init__(self, backbone: str, width: int, squeezed: int) -> None:
        super().__init__()
        self.backbone = timm_model(backbone, num_classes=0)
        layers: list[nn.Module] = []
        for inputs in (self.backbone.num_features, width, width):
            layers += [nn.Conv3d(inputs, width, (3, 1, 1), padding=(1, 0, 0)), nn.BatchNorm3d(width), nn.ReLU()]
        self.temporal_conv = nn.Sequential(*layers)
        self.temporal_attention = nn.Sequential(nn.Conv3d(width, 1, (3, 1, 1), padding=(1, 0, 0)), nn.Sigmoid())
        self.channel_attention = nn.Sequential(
            nn.Conv3d(width, squeezed, 1), nn.ReLU(), nn.Conv3d(squeezed, 1, 1), nn.Sigmoid()
        )
        self.spatial_attention = nn.Sequential(nn.Conv3d(width, 1, (1, 3, 3), padding=(0, 1, 1)), nn.Sigmoid())
        self.classifier = _classifier(width)

    def forward(self, clips: Tensor) -> Tensor:
        """The logit of P(fake), float32 [N, 1], of normalised planes [N, T, 3, H, W]."""
        volume = per_frame(clips, self.backbone).transpose(1, 2)[..., None, None]
        x = self.temporal_conv(volume)
        x = x * self.temporal_attention(x)
        x = x * (self.channel_attention(x) * self.spatial_attention(x))
        logit: Tensor = self.classifier(x.mean(dim=(2, 3, 4)))
        return logit


def _classifier(width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in ((width, width // 2), (width // 2, width // 4), (width // 4, width // 8)):
        layers += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*layers, nn.Linear(width // 8, 1))


def translate(state: Mapping[str, Array]) -> dict[str, Array]:
    """torchvision's names of the backbone become timm's; ``backbone`` may be the network or its ``features``."""
    return {_timm_name(key): tensor for key, tensor in state.items()}


def _timm_name(key: str) -> str:
    if not key.startswith("backbone."):
        return key
    inner = key.removeprefix("backbone.").removeprefix("features.")
    if (end := _END.fullmatch(inner)) and end[1] in _ENDS:
        return f"backbone.{_ENDS[end[1]]}.{end[2]}"
    if not (block := _BLOCK.fullmatch(inner)):
        return key
    stage, index, layer, part, name = block.groups()
    names = _FIRST if stage == "1" else _LATER
    renamed = _SQUEEZE.get(part) or names.get(f"{layer}.{part}")
    return f"backbone.blocks.{int(stage) - 1}.{index}.{renamed}.{name}" if renamed else key
