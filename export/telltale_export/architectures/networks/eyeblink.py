"""Xception over pictures of closing eyes, and an LSTM over its pooled maps."""

from __future__ import annotations

from telltale_contracts import InputSpec
from torch import Tensor, nn

from telltale_export.architectures.architecture import Shapes
from telltale_export.architectures.networks.clips import ClipDetector, last_states, lstm_of, outputs_of, per_frame
from telltale_export.architectures.networks.xception import xception
from telltale_export.architectures.served import IMAGENET_MEAN, IMAGENET_STD, Normalise


def build(spec: InputSpec, shapes: Shapes | None, *, middle_flow: bool = True) -> ClipDetector:
    """The detector; without Xception's middle flow it is small enough for a test."""
    del spec
    return ClipDetector(EyeblinkLstm(shapes, middle_flow=middle_flow), Normalise(IMAGENET_MEAN, IMAGENET_STD))


class EyeblinkLstm(nn.Module):
    """``cnn_base`` over the pictures, ``lstm`` over their pooled maps, ``fc`` on its final state."""

    def __init__(self, shapes: Shapes | None, *, middle_flow: bool) -> None:
        super().__init__()
        self.cnn_base = xception(0, middle_flow=middle_flow)
        self.lstm = lstm_of(shapes, self.cnn_base.num_features, 128)
        self.fc = nn.Linear(outputs_of(self.lstm), 1)

    def forward(self, clips: Tensor) -> Tensor:
        """The logit of P(fake), float32 [N, 1], of normalised planes [N, T, 3, H, W]."""
        steps = per_frame(clips, self._pooled)
        logit: Tensor = self.fc(last_states(self.lstm, steps))
        return logit

    def _pooled(self, pictures: Tensor) -> Tensor:
        maps: Tensor = self.cnn_base.forward_features(pictures)
        return maps.mean(dim=(2, 3))
