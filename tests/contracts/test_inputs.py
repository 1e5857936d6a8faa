"""Input specs and recipes: equal specs have one name, and shapes follow from the parameters."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
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
    Recipe,
    Sampling,
    Waveform,
)

SPECS: list[InputSpec] = [
    FaceCrop(size=224),
    Image(size=224),
    Waveform(samples=64_600),
    LogSpectrogram(samples=64_000),
    LogMel(samples=64_000),
    Lfcc(samples=64_000),
    FaceClip(size=224, frames=16),
    EyeClip(frames=10),
    ChromaHistogram(frames=32),
    FrameClip(size=224, frames=120),
]


def test_keys_are_names_that_tell_specs_apart() -> None:
    keys = [spec.key() for spec in SPECS]
    assert len(set(keys)) == len(SPECS)
    for spec, key in zip(SPECS, keys, strict=True):
        assert re.fullmatch(rf"{spec.kind}-[0-9a-f]{{12}}", key)


def test_equal_specs_have_equal_keys_however_they_were_written() -> None:
    written = TypeAdapter[InputSpec](InputSpec).validate_json('{"margin": 1.3, "kind": "face_crop", "size": 224.0}')
    assert written.key() == FaceCrop(size=224).key() == FaceCrop(size=224, margin=1.3, align="none").key()
    assert FaceCrop(size=224, margin=1.31).key() != FaceCrop(size=224).key()


def test_keys_do_not_change_from_one_release_to_the_next() -> None:
    # A served detector and a stored bundle agree by this name.
    assert FaceCrop(size=160, margin=1.3).key() == "face_crop-8388cd754829"
    assert LogSpectrogram(samples=64_000).key() == "log_spectrogram-509bc115f061"
    assert Lfcc(samples=64_000).key() == "lfcc-53b8d8b964ac"
    assert FaceCrop(size=160, fit="square").key() == "face_crop-8388cd754829"


@pytest.mark.parametrize(
    "other",
    [
        LogSpectrogram(samples=64_000, window="hamming"),
        LogSpectrogram(samples=64_000, pre_emphasis=0.97),
        LogSpectrogram(samples=64_000, centred=True),
        LogSpectrogram(samples=64_000, floor=1e-6),
    ],
)
def test_a_parameter_that_came_later_tells_specs_apart(other: LogSpectrogram) -> None:
    assert other.key() != LogSpectrogram(samples=64_000).key()
    assert Lfcc(samples=64_000, energy=True).key() != Lfcc(samples=64_000).key()
    assert FaceCrop(size=160, fit="pad").key() != FaceCrop(size=160).key()


def test_a_centred_window_begins_on_every_hop() -> None:
    assert LogSpectrogram(samples=64_000, centred=True).frames == 401


@pytest.mark.parametrize("samples", [512, 16_000, 64_000, 64_159, 64_160])
@pytest.mark.parametrize(("n_fft", "win_length", "hop_length"), [(512, 400, 160), (512, 512, 512), (320, 320, 160)])
def test_frames_counts_the_windows_that_end_inside(samples: int, n_fft: int, win_length: int, hop_length: int) -> None:
    spec = LogSpectrogram(samples=samples, n_fft=n_fft, win_length=win_length, hop_length=hop_length)
    windows = np.lib.stride_tricks.sliding_window_view(np.zeros(samples), n_fft)[::hop_length]
    assert spec.frames == len(windows)


def test_lfcc_stacks_its_differences() -> None:
    assert Lfcc(samples=16_000, n_lfcc=20).coefficients == 60
    assert Lfcc(samples=16_000, n_lfcc=20, deltas=False).coefficients == 20


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "face_crop"},
        {"kind": "face_crop", "size": 0},
        {"kind": "face_crop", "size": 224, "margin": 0.5},
        {"kind": "face_crop", "size": 224, "margin": float("nan")},
        {"kind": "face_crop", "size": 224, "colour": "grey"},
        {"kind": "face_crop", "size": 224, "fit": "pad", "align": "eyes"},
        {"kind": "face_clip", "size": 224},
        {"kind": "face_clip", "size": 224, "frames": 1},
        {"kind": "face_clip", "size": 224, "frames": 8, "stride": 4},
        {"kind": "eye_clip", "frames": 10, "threshold": 1.0},
        {"kind": "chroma_histogram", "frames": 32, "bins": 2},
        {"kind": "waveform", "samples": 64_000, "sample_rate": 96_000},
        {"kind": "waveform", "samples": 64_000, "overlap": 1.0},
        {"kind": "log_spectrogram", "samples": 64_000, "n_fft": 256, "win_length": 400},
        {"kind": "log_spectrogram", "samples": 500, "n_fft": 512},
        {"kind": "lfcc", "samples": 16_000, "n_filters": 10, "n_lfcc": 20},
        {"kind": "log_mel", "samples": 16_000, "f_min": 4_000, "f_max": 4_000},
        {"kind": "log_mel", "samples": 16_000, "f_max": 8_001},
        {"kind": "log_mel", "samples": 16_000, "f_min": 8_000},
        {"kind": "tarot", "size": 224},
        {"size": 224},
    ],
)
def test_what_no_producer_could_make_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(InputSpec).validate_python(document)


def test_a_recipe_is_the_union_in_the_order_of_asking() -> None:
    recipe = Recipe.union([SPECS[3], SPECS[0], SPECS[3], SPECS[0]], Sampling(max_frames=8))
    assert recipe.inputs == (SPECS[3], SPECS[0])
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_a_recipe_lists_no_spec_twice_and_is_not_empty() -> None:
    with pytest.raises(ValidationError, match="listed twice"):
        Recipe(inputs=(SPECS[0], SPECS[0]))
    with pytest.raises(ValidationError):
        Recipe(inputs=())


@pytest.mark.parametrize("fps", [-1.0, 0.0, float("nan"), float("inf"), 121.0])
def test_sampling_refuses_a_rate_that_is_none(fps: float) -> None:
    with pytest.raises(ValidationError):
        Sampling(fps=fps)
