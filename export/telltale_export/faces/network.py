"""MobileNetV2 (Sandler 2018) with one logit, in PyTorch: what both face detectors are trained as."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from telltale_export.faces.backbone import FoldedConvolution

EPSILON = 1e-3
# expansion, output channels, blocks, stride of the first (Sandler 2018, table 2)
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
STEM, TOP = 32, 1280
# The last of the modules at a sixteenth of the picture's size, counted with the stem, and its channels.
HALFWAY, HALFWAY_CHANNELS = 14, 96


class BlockShape(NamedTuple):
    """One inverted residual: channels in, inside and out, and its stride."""

    inputs: int
    hidden: int
    outputs: int
    stride: int

    @property
    def expands(self) -> bool:
        """Whether a 1x1 convolution comes before the depthwise one."""
        return self.hidden != self.inputs

    @property
    def residual(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.inputs == self.outputs


def block_shapes() -> Iterator[BlockShape]:
    """The 17 inverted residuals in order."""
    channels = STEM
    for expansion, outputs, repeats, stride in STAGES:
        for index in range(repeats):
            yield BlockShape(channels, channels * expansion, outputs, stride if index == 0 else 1)
            channels = outputs


class ConvNorm(nn.Module):
    """Convolution, batch norm and, unless linear, ReLU6; at stride 2 padded as TensorFlow's SAME (right and below)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, *, linear: bool
    ) -> None:
        super().__init__()
        same = kernel // 2 if stride == 1 else 0
        self.pad = nn.ZeroPad2d((0, 1, 0, 1)) if stride == 2 else nn.Identity()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, same, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON, momentum=0.02)
        self.act = nn.Identity() if linear else nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """Float [N, C, H, W]; H and W even where the stride is 2."""
        result: Tensor = self.act(self.norm(self.conv(self.pad(x))))
        return result


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, project (Sandler 2018)."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        layers = [ConvNorm(shape.inputs, shape.hidden, 1, linear=False)] if shape.expands else []
        layers.append(ConvNorm(shape.hidden, shape.hidden, 3, shape.stride, groups=shape.hidden, linear=False))
        layers.append(ConvNorm(shape.hidden, shape.outputs, 1, linear=True))
        self.layers = nn.Sequential(*layers)
        self.residual = shape.residual

    def forward(self, x: Tensor) -> Tensor:
        """Float [N, C, H, W]."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class FaceNet(nn.Module):
    """uint8 RGB [N, H, W, 3] (H, W multiples of 32) to one logit of P(fake), float32 [N]."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNorm(3, STEM, 3, 2, linear=False),
            *(InvertedResidual(shape) for shape in block_shapes()),
            ConvNorm(STAGES[-1][1], TOP, 1, linear=False),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(TOP, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def lower(self, pictures: Tensor) -> Tensor:
        """The maps halfway up, [N, 96, H / 16, W / 16]: of where, still, and no longer of single pixels."""
        x = (pictures.permute(0, 3, 1, 2).float() - 127.5) / 127.5
        maps: Tensor = self.features[:HALFWAY](x.contiguous(memory_format=torch.channels_last))
        return maps

    def pooled(self, maps: Tensor) -> Tensor:
        """Mean features of what ``lower`` gave, float32 [N, 1280]."""
        features: Tensor = self.features[HALFWAY:](maps)
        return features.float().mean(dim=(2, 3))

    def upper(self, maps: Tensor) -> Tensor:
        """The logit of P(fake) from what ``lower`` gave."""
        logit: Tensor = self.head(self.dropout(self.pooled(maps)))
        return logit.squeeze(1)

    def forward(self, pictures: Tensor) -> Tensor:
        """The logit of P(fake)."""
        return self.upper(self.lower(pictures))


def convolutions(net: FaceNet) -> list[ConvNorm]:
    """The 52 convolutions in the order in which they are computed."""
    return [module for module in net.features.modules() if isinstance(module, ConvNorm)]


@torch.no_grad()
def folded(layer: ConvNorm) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight and bias of one convolution with its batch norm folded in: float32 [out, in / groups, h, w] and [out]."""
    norm = layer.norm
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without statistics cannot be folded")
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = layer.conv.weight * scale[:, None, None, None]
    return weight.numpy(), (norm.bias - norm.running_mean * scale).numpy()


@torch.no_grad()
def insert_backbone(net: FaceNet, folded: Sequence[FoldedConvolution], pictures: NDArray[np.uint8]) -> None:
    """Load folded convolutions, and give each the batch norm that leaves what it computes unchanged.

    A folded network has no statistics left: they are measured on ``pictures``, uint8 [N, H, W, 3], layer after layer;
    then gamma = sqrt(var + eps) and beta = mean + folded bias make the norm the identity plus that bias.
    """
    layers = convolutions(net)
    if [tuple(layer.conv.weight.shape) for layer in layers] != [item.weight.shape for item in folded]:
        raise ValueError("these convolutions do not have the shapes of MobileNetV2 1.0")
    handles = []
    for layer, item in zip(layers, folded, strict=True):
        layer.conv.weight.copy_(torch.from_numpy(item.weight))
        bias = torch.from_numpy(item.bias)
        handles.append(layer.conv.register_forward_hook(_measure(layer.norm, bias)))
    net.eval()
    net.pooled(net.lower(torch.from_numpy(pictures)))
    for handle in handles:
        handle.remove()


def _measure(norm: nn.BatchNorm2d, bias: Tensor) -> Callable[[nn.Module, object, Tensor], None]:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        mean, variance = output.mean(dim=(0, 2, 3)), output.var(dim=(0, 2, 3))
        norm.load_state_dict(
            {
                "running_mean": mean,
                "running_var": variance,
                "weight": torch.sqrt(variance + EPSILON),
                "bias": mean + bias,
                "num_batches_tracked": torch.tensor(0),
            }
        )

    return hook
