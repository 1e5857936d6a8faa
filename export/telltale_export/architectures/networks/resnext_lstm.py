"""ResNeXt-50 32x4d (Xie 2017) over the frames of a clip and an LSTM over what it says, in both published forms.

The form of one direction was made as ``nn.LSTM(2048, 2048, 1, False)``. The fourth place is not ``bidirectional`` but
``bias``, and what was meant as the batch is the sequence: so its checkpoints have no ``lstm.bias_*``, and of one clip
every frame was a sequence of its own, one step long, of which the last one's answer was read. Such a checkpoint is
served as it was published: the last frame decides. A checkpoint with biases is an LSTM over time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from telltale_contracts import InputSpec
from torch import Tensor, nn

from telltale_export.architectures.architecture import Array, Shapes
from telltale_export.architectures.networks.class_activation import renamed, width_of
from telltale_export.architectures.networks.clips import ClipDetector, lstm_of, outputs_of, per_frame
from telltale_export.architectures.networks.timm_models import timm_model
from telltale_export.architectures.served import IMAGENET_MEAN, IMAGENET_STD, Normalise

# torchvision's ResNeXt without its last two children, by their place in the ``nn.Sequential``.
_CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}


def build(
    spec: InputSpec,
    shapes: Shapes | None,
    *,
    layers: Sequence[int] = (3, 4, 6, 3),
    hidden: int = 2048,
    fake_class: int = 0,
) -> ClipDetector:
    """The detector of either form; without a checkpoint the one of one direction, without biases."""
    del spec
    network = ResNeXtLstm(shapes, tuple(layers), hidden)
    return ClipDetector(network, Normalise(IMAGENET_MEAN, IMAGENET_STD), fake_class)


class ResNeXtLstm(nn.Module):
    """``model`` over the frames, ``lstm`` over their pooled maps, ``linear1`` on its last step."""

    def __init__(self, shapes: Shapes | None, layers: tuple[int, ...], hidden: int) -> None:
        super().__init__()
        self.model = timm_model("resnext50_32x4d", num_classes=0, layers=layers, zero_init_last=False)
        self.lstm = lstm_of(shapes, self.model.num_features, hidden, bias=False)
        self.linear1 = nn.Linear(outputs_of(self.lstm), width_of(shapes, "linear1.weight", 2))

    def forward(self, clips: Tensor) -> Tensor:
        """The logits, float32 [N, 2], of normalised planes [N, T, 3, H, W]."""
        steps, _ = self.lstm(per_frame(clips if self.lstm.bias else clips[:, -1:], self._pooled))
        logits: Tensor = self.linear1(steps[:, -1])
        return logits

    def _pooled(self, pictures: Tensor) -> Tensor:
        maps: Tensor = self.model.forward_features(pictures)
        return maps.mean(dim=(2, 3))


def translate(state: Mapping[str, Array]) -> dict[str, Array]:
    """``model.4.0.conv1.weight`` is what timm calls ``layer1.0.conv1.weight``."""
    rules: dict[str, Any] = {f"model.{place}.": f"model.{name}." for place, name in _CHILDREN.items()}
    return renamed(state, rules)
