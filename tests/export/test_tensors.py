"""The shape and type of an item follow from its spec, for every kind there is."""

from __future__ import annotations

from typing import get_args

import pytest
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
    Waveform,
)
from telltale_export.packaging import item_shape, item_type

CASES: list[tuple[InputSpec, str, tuple[int, ...]]] = [
    (FaceCrop(size=160), "uint8", (160, 160, 3)),
    (FaceClip(size=112, frames=20), "uint8", (20, 112, 112, 3)),
    (EyeClip(frames=10, height=80, width=160), "uint8", (10, 80, 160, 3)),
    (ChromaHistogram(frames=32), "float32", (32, 32, 32)),
    (Image(size=224), "uint8", (224, 224, 3)),
    (FrameClip(size=224, frames=120), "uint8", (120, 224, 224, 3)),
    (Waveform(samples=64_600), "float32", (64_600,)),
    (LogSpectrogram(samples=64_000), "float32", (257, 397)),
    (LogMel(samples=64_000, centred=True), "float32", (80, 401)),
    (Lfcc(samples=64_000), "float32", (60, 397)),
]


@pytest.mark.parametrize(("spec", "kind", "shape"), CASES)
def test_an_item_has_the_shape_of_its_spec(spec: InputSpec, kind: str, shape: tuple[int, ...]) -> None:
    assert item_type(spec) == kind
    assert item_shape(spec) == shape


def test_no_kind_is_forgotten() -> None:
    assert {type(spec) for spec, _, _ in CASES} == set(get_args(get_args(InputSpec)[0]))
