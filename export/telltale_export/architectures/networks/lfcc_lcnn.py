"""The LFCC-LCNN baseline of ASVspoof 2021 (Wang and Yamagishi 2021), with the names of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from telltale_contracts import Lfcc
from torch import Tensor, nn

from telltale_export.architectures.architecture import Array, Shapes
from telltale_export.architectures.served import Detector

# A framework's record of the data's statistics, which this model never applies, and the front end's fixed filters,
# which preprocessing computes.
_NO_WEIGHTS = ("input_mean", "input_std", "output_mean", "output_std", "m_frontend.")
_HALVINGS = 4


def translate(state: Mapping[str, Array]) -> dict[str, Array]:
    """Leave out what holds no weights of the network."""
    return {key: value for key, value in state.items() if not key.startswith(_NO_WEIGHTS)}


def build(spec: Lfcc, shapes: Shapes | None, *, width: int = 32) -> Detector:
    """Cepstra float32 [N, coefficients, frames] to P(fake).

    Args:
        spec: the cepstra; 60 coefficients in what is published.
        shapes: not used, the widths never differed.
        width: channels after the first convolution; the others are multiples of it.
    """
    del shapes
    return _Served(LightCnn(spec.coefficients, width))


class _Served(Detector):
    def forward(self, served: Tensor) -> dict[str, Tensor]:
        """float32 [N, coefficients, frames]."""
        return {"probability": torch.sigmoid(-self.network(served.transpose(1, 2))).squeeze(1)}


class LightCnn(nn.Module):
    """Cepstra [N, frames, coefficients] to the logit of bona fide speech [N, 1]."""

    def __init__(self, coefficients: int, width: int) -> None:
        super().__init__()
        half, double = 3 * width // 2, 2 * width
        layers: list[nn.Module] = [*_competing(1, width, 5), nn.MaxPool2d(2)]
        layers += [*_competing(width, width, 1), _norm(width), *_competing(width, half, 3), nn.MaxPool2d(2)]
        layers += [_norm(half), *_competing(half, half, 1), _norm(half), *_competing(half, double, 3), nn.MaxPool2d(2)]
        layers += [*_competing(double, double, 1), _norm(double), *_competing(double, width, 3), _norm(width)]
        layers += [*_competing(width, width, 1), _norm(width), *_competing(width, width, 3), nn.MaxPool2d(2)]
        features = coefficients // 2**_HALVINGS * width
        # Lists of one: the baseline can hold several front ends beside each other, and was published with one.
        self.m_transform = nn.ModuleList([nn.Sequential(*layers)])
        self.m_before_pooling = nn.ModuleList([nn.Sequential(BiLstm(features), BiLstm(features))])
        self.m_output_act = nn.ModuleList([nn.Linear(features, 1)])

    def forward(self, cepstra: Tensor) -> Tensor:
        """Logits [N, 1]."""
        maps = self.m_transform[0](cepstra.unsqueeze(1)).permute(0, 2, 1, 3)
        # Not flatten: the exporter would take its example's batch for a constant of the LSTM's initial state.
        hidden = maps.reshape(cepstra.shape[0], maps.shape[1], -1)
        logits: Tensor = self.m_output_act[0]((self.m_before_pooling[0](hidden) + hidden).mean(dim=1))
        return logits


class MaxFeatureMap(nn.Module):
    """The larger of each two channels, C / 2 apart (Wu 2018)."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self._outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, C / 2, H, W]."""
        # Neither chunk, after which the exporter does not know how many channels there are, nor unflatten, with which
        # it writes its example's batch into the graph.
        return torch.maximum(x[:, : self._outputs], x[:, self._outputs : 2 * self._outputs])


class BiLstm(nn.Module):
    """[N, T, width] to [N, T, width], half of it from each direction."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.l_blstm = nn.LSTM(width, width // 2, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Both directions."""
        both: Tensor = self.l_blstm(x)[0]
        return both


def _competing(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, 2 * outputs, kernel, padding=kernel // 2), MaxFeatureMap(outputs)


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, affine=False)
