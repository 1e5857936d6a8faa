"""AASIST (Jung 2022): fixed sinc filters, a residual encoder, and graph attention over bands and over time.

The published weights were trained with one deviation from the paper, which is kept: in every residual block but the
first, batch norm and SELU before the first convolution are made and then not used (``bn1`` is in the checkpoint).
"""

from __future__ import annotations

import numpy as np
import torch
from telltale_contracts import Waveform
from torch import Tensor, nn
from torch.nn import functional

from telltale_export.architectures.architecture import Shapes
from telltale_export.architectures.networks.graph_attention import GraphAttention, GraphPool, TwoGraphsAttention
from telltale_export.architectures.served import Detector

_SINC_LENGTH = 129
_POOLED = 3


def build(
    spec: Waveform,
    shapes: Shapes | None,
    *,
    ratios: tuple[float, float, float],
    sinc_filters: int = 70,
    filters: tuple[int, int] = (32, 64),
    dims: tuple[int, int] = (64, 32),
) -> Detector:
    """Speech float32 [N, S] in [-1, 1] to P(fake).

    Args:
        spec: sample rate and S, 64600 in what is published.
        shapes: not used: the shares of nodes that are kept cannot be read from them, so each size is an architecture.
        ratios: share of nodes kept of the bands, of the times, and of both after the heterogeneous layers.
        sinc_filters: bands of the first layer.
        filters: channels of the encoder's first two blocks and of its other four.
        dims: width of the nodes in the first and in the heterogeneous layers.
    """
    del shapes
    return _Served(Aasist(spec.sample_rate, sinc_filters, filters, dims, ratios))


class _Served(Detector):
    def forward(self, served: Tensor) -> dict[str, Tensor]:
        """float32 [N, S]."""
        return {"probability": functional.softmax(self.network(served), dim=1)[:, 0]}


class Aasist(nn.Module):
    """PCM [N, S] to logits [N, 2]: spoof, bona fide. Its names are those of the published checkpoints."""

    def __init__(
        self,
        sample_rate: int,
        sinc_filters: int,
        filters: tuple[int, int],
        dims: tuple[int, int],
        ratios: tuple[float, float, float],
    ) -> None:
        super().__init__()
        first, rest = filters
        nodes, width = dims
        of_bands, of_times, of_both = ratios
        self.conv_time = SincFilters(sample_rate, sinc_filters)
        self.first_bn = nn.BatchNorm2d(1)
        widths = ((1, first), (first, first), (first, rest), (rest, rest), (rest, rest), (rest, rest))
        self.encoder = nn.Sequential(
            *(nn.Sequential(ResidualBlock(*pair, first=index == 0)) for index, pair in enumerate(widths))
        )
        self.pos_S = nn.Parameter(torch.randn(1, sinc_filters // _POOLED, nodes))
        self.master1 = nn.Parameter(torch.randn(1, 1, nodes))
        self.master2 = nn.Parameter(torch.randn(1, 1, nodes))
        self.GAT_layer_S = GraphAttention(rest, nodes)
        self.GAT_layer_T = GraphAttention(rest, nodes)
        self.HtrgGAT_layer_ST11 = TwoGraphsAttention(nodes, width)
        self.HtrgGAT_layer_ST12 = TwoGraphsAttention(width, width)
        self.HtrgGAT_layer_ST21 = TwoGraphsAttention(nodes, width)
        self.HtrgGAT_layer_ST22 = TwoGraphsAttention(width, width)
        self.pool_S = GraphPool(of_bands, nodes)
        self.pool_T = GraphPool(of_times, nodes)
        self.pool_hS1 = GraphPool(of_both, width)
        self.pool_hT1 = GraphPool(of_both, width)
        self.pool_hS2 = GraphPool(of_both, width)
        self.pool_hT2 = GraphPool(of_both, width)
        self.out_layer = nn.Linear(5 * width, 2)

    def forward(self, pcm: Tensor) -> Tensor:
        """Logits [N, 2]."""
        bands = self.conv_time(pcm.unsqueeze(1)).abs().unsqueeze(1)
        encoded = self.encoder(functional.selu(self.first_bn(functional.max_pool2d(bands, _POOLED)))).abs()
        spectral = self.pool_S(self.GAT_layer_S(encoded.amax(dim=3).transpose(1, 2) + self.pos_S))
        temporal = self.pool_T(self.GAT_layer_T(encoded.amax(dim=2).transpose(1, 2)))

        one = self._branch(temporal, spectral, self.master1, "1")
        two = self._branch(temporal, spectral, self.master2, "2")
        times, bands, master = (torch.maximum(a, b) for a, b in zip(one, two, strict=True))
        read_out = [times.abs().amax(dim=1), times.mean(dim=1), bands.abs().amax(dim=1), bands.mean(dim=1)]
        logits: Tensor = self.out_layer(torch.cat([*read_out, master.squeeze(1)], dim=1))
        return logits

    def _branch(self, temporal: Tensor, spectral: Tensor, master: Tensor, which: str) -> tuple[Tensor, Tensor, Tensor]:
        master = master.expand(temporal.shape[0], -1, -1)
        times, bands, master = self.get_submodule(f"HtrgGAT_layer_ST{which}1")(temporal, spectral, master)
        bands = self.get_submodule(f"pool_hS{which}")(bands)
        times = self.get_submodule(f"pool_hT{which}")(times)
        more = self.get_submodule(f"HtrgGAT_layer_ST{which}2")(times, bands, master)
        return times + more[0], bands + more[1], master + more[2]


class SincFilters(nn.Module):
    """Band-pass filters [1, bands, L] (Ravanelli 2018), equally wide in mel, windowed by Hamming; never trained."""

    filters: Tensor

    def __init__(self, sample_rate: int, bands: int) -> None:
        super().__init__()
        self.register_buffer("filters", _band_passes(sample_rate, bands), persistent=False)

    def forward(self, pcm: Tensor) -> Tensor:
        """PCM [N, 1, S] to bands [N, bands, S - L + 1]."""
        return functional.conv1d(pcm, self.filters)


def _band_passes(sample_rate: int, bands: int) -> Tensor:
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 1) / 2595) - 1)
    time = np.arange(-(_SINC_LENGTH - 1) / 2, (_SINC_LENGTH - 1) / 2 + 1)
    low_passes = 2 * edges[:, None] / sample_rate * np.sinc(2 * edges[:, None] * time / sample_rate)
    filters = np.hamming(_SINC_LENGTH) * np.diff(low_passes, axis=0)
    return torch.from_numpy(filters.astype(np.float32)).unsqueeze(1)


class ResidualBlock(nn.Module):
    """[N, C, F, T] to [N, outputs, F, T / 3]."""

    def __init__(self, inputs: int, outputs: int, *, first: bool) -> None:
        super().__init__()
        if not first:
            self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, (2, 3), padding=(1, 1))
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, (2, 3), padding=(0, 1))
        self.conv_downsample = nn.Conv2d(inputs, outputs, (1, 3), padding=(0, 1)) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """The block; ``bn1`` has no part in it."""
        y = self.conv2(functional.selu(self.bn2(self.conv1(x))))
        shortcut = x if self.conv_downsample is None else self.conv_downsample(x)
        return functional.max_pool2d(y + shortcut, (1, 3))
