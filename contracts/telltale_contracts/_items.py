"""The shape and type of one item of an input spec."""

from __future__ import annotations

from typing import Literal

from telltale_contracts._inputs import (
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
    Waveform,
)

ItemType = Literal["uint8", "float32"]


def item_shape(spec: InputSpec) -> tuple[int, ...]:
    """The shape of one item, without the leading dimension of the batch."""
    match spec:
        case FaceCrop() | Image():
            shape: tuple[int, ...] = (spec.size, spec.size, 3)
        case FaceClip() | FrameClip():
            shape = (spec.frames, spec.size, spec.size, 3)
        case EyeClip():
            shape = (spec.frames, spec.height, spec.width, 3)
        case ChromaHistogram():
            shape = (spec.frames, spec.bins, spec.bins)
        case LogSpectrogram():
            shape = (spec.n_fft // 2 + 1, spec.frames)
        case LogMel():
            shape = (spec.n_mels, spec.frames)
        case Lfcc():
            shape = (spec.coefficients, spec.frames)
        case Waveform():
            shape = (spec.samples,)
    return shape


def item_type(spec: InputSpec) -> ItemType:
    """uint8 for pictures, float32 for histograms and sound."""
    return "uint8" if isinstance(spec, FaceCrop | FaceClip | EyeClip | Image | FrameClip) else "float32"
