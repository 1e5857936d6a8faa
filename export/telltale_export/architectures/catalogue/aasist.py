"""AASIST (Jung 2022): graph attention on raw speech, published as torch state dicts with a configuration beside."""

from __future__ import annotations

from telltale_contracts import Waveform

from telltale_export.architectures.architecture import Architecture, Reduced

_PAPER = (
    "Jung, Heo, Tak, Shim, Chung, Lee, Yu and Evans 2022, AASIST: Audio Anti-Spoofing using Integrated "
    "Spectro-Temporal Graph Attention Networks"
)
_CONVENTION = "The source answers logits [spoof, bona fide]; P(fake) is the softmax of the first."
_LAYOUT = (
    "first_bn, encoder.0-5, pos_S, master1/2, GAT_layer_S/T, HtrgGAT_layer_ST11..22, pool_S/T/hS1..hT2, out_layer; "
    "conv_time holds nothing, its sinc filters are fixed"
)
_SOUND = Waveform(sample_rate=16_000, samples=64_600, pad="repeat")
_SHORT = Waveform(sample_rate=16_000, samples=8_000, pad="repeat")
_NARROW = {"sinc_filters": 22, "filters": (4, 6), "dims": (6, 4)}

ARCHITECTURES = (
    Architecture(
        name="aasist",
        framework="torch",
        forgery="voice",
        input=_SOUND,
        paper=_PAPER,
        convention=_CONVENTION,
        layout=_LAYOUT,
        module="aasist",
        options={"ratios": (0.5, 0.7, 0.5)},
        reduced=Reduced(_NARROW, _SHORT),
        max_batch=16,
    ),
    Architecture(
        name="aasist-l",
        framework="torch",
        forgery="voice",
        input=_SOUND,
        paper=_PAPER,
        convention=_CONVENTION,
        layout=_LAYOUT,
        module="aasist",
        options={"ratios": (0.4, 0.5, 0.7), "filters": (32, 24), "dims": (24, 32)},
        reduced=Reduced(_NARROW, _SHORT),
        max_batch=16,
    ),
)
