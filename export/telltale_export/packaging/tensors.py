"""The shape and type of one item of an input spec."""

from __future__ import annotations

from typing import Literal

from telltale_contracts import (
    ChromaHistogram,
    EyeClip,
    FaceClip,
    FaceCrop,
    FrameClip,
    Image,
    InputSpec,
    Lfcc,
    LogMel,
    LogSpectrogram,
)

ItemType = Literal["uint8", "float32"]


def item_shape(spec: InputSpec) -> tuple[int, ...]:
    """The shape of one item, without the leading dimension of the batch."""
    if isinstance(spec, FaceCrop | Image):
        return (spec.size, spec.size, 3)
    if isinstance(spec, FaceClip | FrameClip):
        return (spec.frames, spec.size, spec.size, 3)
    if isinstance(spec, EyeClip):
        return (spec.frames, spec.height, spec.width, 3)
    if isinstance(spec, ChromaHistogram):
        return (spec.frames, spec.bins, spec.bins)
    if isinstance(spec, LogSpectrogram):
        return (spec.n_fft // 2 + 1, spec.frames)
    if isinstance(spec, LogMel):
        return (spec.n_mels, spec.frames)
    if isinstance(spec, Lfcc):
        return (spec.coefficients, spec.frames)
    return (spec.samples,)


def item_type(spec: InputSpec) -> ItemType:
    """uint8 for pictures, float32 for histograms and sound."""
    return "uint8" if isinstance(spec, FaceCrop | FaceClip | EyeClip | Image | FrameClip) else "float32"
