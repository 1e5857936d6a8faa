"""The shape and type of one item of an input spec."""

from __future__ import annotations

from typing import Literal

from telltale_contracts import FaceCrop, Image, InputSpec, Lfcc, LogMel, LogSpectrogram

ItemType = Literal["uint8", "float32"]


def item_shape(spec: InputSpec) -> tuple[int, ...]:
    """The shape of one item, without the leading dimension of the batch."""
    if isinstance(spec, FaceCrop | Image):
        return (spec.size, spec.size, 3)
    if isinstance(spec, LogSpectrogram):
        return (spec.n_fft // 2 + 1, spec.frames)
    if isinstance(spec, LogMel):
        return (spec.n_mels, spec.frames)
    if isinstance(spec, Lfcc):
        return (spec.coefficients, spec.frames)
    return (spec.samples,)


def item_type(spec: InputSpec) -> ItemType:
    """uint8 for pictures, float32 for sound."""
    return "uint8" if isinstance(spec, FaceCrop | Image) else "float32"
