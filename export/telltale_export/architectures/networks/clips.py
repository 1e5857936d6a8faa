"""What detectors of clips share: frames through one network, and recurrent layers read from a checkpoint's shapes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from telltale_export.architectures.architecture import Shapes
from telltale_export.architectures.served import Detector, Normalise


class ClipDetector(Detector):
    """uint8 [N, T, H, W, 3] to P(fake), float32 [N]; the network takes normalised planes [N, T, 3, H, W]."""

    def __init__(self, network: nn.Module, normalise: Normalise, fake_class: int = 1) -> None:
        super().__init__(network)
        self.normalise = normalise
        self._fake = fake_class

    def forward(self, served: Tensor) -> dict[str, Tensor]:
        """The answers for a batch of clips."""
        return {"probability": fake_probability(self.network(self.normalise(served)), self._fake)}


def fake_probability(logits: Tensor, fake_class: int = 1) -> Tensor:
    """P(fake), float32 [N], of one logit [N, 1] by the sigmoid, or of two [N, 2] by the softmax."""
    if logits.shape[1] == 1:
        return torch.sigmoid(logits[:, 0])
    return torch.softmax(logits, dim=1)[:, fake_class]


def per_frame(clips: Tensor, network: Callable[[Tensor], Tensor]) -> Tensor:
    """What a network of pictures says of each frame: [N, T, ...] to [N, T, F]."""
    # The batch is taken from the clips themselves: from a -1 the exporter would make its example's size a constant.
    return network(clips.flatten(0, 1)).reshape(clips.shape[0], clips.shape[1], -1)


def lstm_of(
    shapes: Shapes | None, inputs: int, hidden: int, layers: int = 1, *, bidirectional: bool = False, bias: bool = True
) -> nn.LSTM:
    """The LSTM ``lstm`` of a checkpoint; the given one where there is no checkpoint, or it has none."""
    known = shapes or {}
    if "lstm.weight_ih_l0" in known and "lstm.weight_hh_l0" in known:
        inputs = known["lstm.weight_ih_l0"][-1]
        hidden = known["lstm.weight_hh_l0"][-1]
        layers = sum(key.startswith("lstm.weight_ih_l") and not key.endswith("_reverse") for key in known)
        bidirectional = "lstm.weight_ih_l0_reverse" in known
        bias = "lstm.bias_ih_l0" in known
    return nn.LSTM(inputs, hidden, layers, bias=bias, batch_first=True, bidirectional=bidirectional)


def outputs_of(lstm: nn.LSTM) -> int:
    """Features that an LSTM gives at each step."""
    return lstm.hidden_size * (2 if lstm.bidirectional else 1)


def last_states(lstm: nn.LSTM, steps: Tensor) -> Tensor:
    """The last layer's final hidden state, both directions side by side: [N, T, F] to [N, outputs]."""
    _, (hidden, _) = lstm(steps)
    return torch.cat((hidden[-2], hidden[-1]), dim=1) if lstm.bidirectional else hidden[-1]
