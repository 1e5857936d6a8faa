"""Attention over the nodes of complete graphs, and pooling that keeps the best of them (Jung 2022).

The affinity of two nodes is read from their elementwise product; nodes are [N, nodes, width].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_TEMPERATURE = 2.0
_TEMPERATURE_OF_TWO = 100.0


class GraphAttention(nn.Module):
    """[N, nodes, inputs] to [N, nodes, outputs]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.att_proj = nn.Linear(inputs, outputs)
        self.att_weight = _affinity(outputs)
        self.proj_with_att = nn.Linear(inputs, outputs)
        self.proj_without_att = nn.Linear(inputs, outputs)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Each node beside what it attends to."""
        affinity = torch.tanh(self.att_proj(_pairs(x))) @ self.att_weight
        attention = functional.softmax(affinity.squeeze(-1) / _TEMPERATURE, dim=-1)
        return _activated(self.bn, self.proj_with_att(attention @ x) + self.proj_without_att(x))


class TwoGraphsAttention(nn.Module):
    """Two graphs joined, with other affinities inside each than between them, and a master node that reads both."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj_type1 = nn.Linear(inputs, inputs)
        self.proj_type2 = nn.Linear(inputs, inputs)
        self.att_proj = nn.Linear(inputs, outputs)
        self.att_projM = nn.Linear(inputs, outputs)
        self.att_weight11 = _affinity(outputs)
        self.att_weight22 = _affinity(outputs)
        self.att_weight12 = _affinity(outputs)
        self.att_weightM = _affinity(outputs)
        self.proj_with_att = nn.Linear(inputs, outputs)
        self.proj_without_att = nn.Linear(inputs, outputs)
        self.proj_with_attM = nn.Linear(inputs, outputs)
        self.proj_without_attM = nn.Linear(inputs, outputs)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, one: Tensor, two: Tensor, master: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Graphs [N, n1, inputs] and [N, n2, inputs] and master [N, 1, inputs], each to width ``outputs``."""
        count = one.shape[1]
        x = torch.cat([self.proj_type1(one), self.proj_type2(two)], dim=1)
        projected = torch.tanh(self.att_proj(_pairs(x)))
        above, below = projected[:, :count], projected[:, count:]
        above = torch.cat([above[:, :, :count] @ self.att_weight11, above[:, :, count:] @ self.att_weight12], dim=2)
        below = torch.cat([below[:, :, :count] @ self.att_weight12, below[:, :, count:] @ self.att_weight22], dim=2)
        affinity = torch.cat([above, below], dim=1).squeeze(-1)
        attention = functional.softmax(affinity / _TEMPERATURE_OF_TWO, dim=-1)

        read = torch.tanh(self.att_projM(x * master)) @ self.att_weightM
        of_master = functional.softmax(read.squeeze(-1) / _TEMPERATURE_OF_TWO, dim=-1).unsqueeze(1)
        master = self.proj_with_attM(of_master @ x) + self.proj_without_attM(master)
        x = _activated(self.bn, self.proj_with_att(attention @ x) + self.proj_without_att(x))
        return x[:, :count], x[:, count:], master


class GraphPool(nn.Module):
    """Keeps a share of the nodes, those of the highest scores, each weighted by its score."""

    def __init__(self, share: float, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 1)
        self._share = share

    def forward(self, x: Tensor) -> Tensor:
        """[N, nodes, width] to [N, kept, width]."""
        scores = torch.sigmoid(self.proj(x))
        kept = max(int(x.shape[1] * self._share), 1)
        best = scores.topk(kept, dim=1).indices.expand(-1, -1, x.shape[2])
        return torch.gather(x * scores, 1, best)


def _affinity(width: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(width, 1)))


def _pairs(x: Tensor) -> Tensor:
    return x.unsqueeze(2) * x.unsqueeze(1)


def _activated(norm: nn.Module, x: Tensor) -> Tensor:
    return functional.selu(norm(x.transpose(1, 2)).transpose(1, 2))
