"""Clips: which samples of a track they are made of, and what each kind cuts out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from telltale_contracts import (
    ChromaHistogram,
    EyeClip,
    FaceClip,
    FaceCrop,
    FrameClip,
    Image,
    Recipe,
    Sampling,
    TensorBundle,
    Waveform,
)
from telltale_preprocess.errors import RecipeTooLarge
from telltale_preprocess.faces.crops import cut_face
from telltale_preprocess.faces.detector import Face
from telltale_preprocess.faces.eyes import LEFT_EYE, RIGHT_EYE, cut_eyes, eye_aspect_ratios
from telltale_preprocess.faces.mesh import Mesh
from telltale_preprocess.features.chroma import chroma_histogram
from telltale_preprocess.features.clips import clip_places, stretches
from telltale_preprocess.pipeline import Preprocessor
from telltale_preprocess.samples import Samples

from tests import clips
from tests.contracts.test_inputs_page import specs_of_the_page


def bundle_of(preprocessor: Preprocessor, path: Path, *specs: object, frames: int = 20) -> TensorBundle:
    """The bundle of one file, through its bytes."""
    recipe = Recipe.model_validate({"inputs": specs, "sampling": Sampling(max_frames=frames)})
    with path.open("rb") as file:
        return TensorBundle.from_bytes(preprocessor.preprocess(file, recipe).to_bytes())


def test_an_even_clip_goes_from_the_first_sample_to_the_last() -> None:
    spec = FaceClip(size=64, frames=4)
    assert clip_places(4, spec) == [[0, 1, 2, 3]]
    assert clip_places(10, spec) == [[0, 3, 6, 9]]


@pytest.mark.parametrize(
    ("stride", "starts"), [(None, [0, 4]), (4, [0, 4]), (3, [0, 3, 6]), (1, [0, 1, 2, 3, 4, 5, 6])]
)
def test_consecutive_clips_start_a_stride_apart(stride: int | None, starts: list[int]) -> None:
    spec = FaceClip(size=64, frames=4, spacing="consecutive", stride=stride)
    assert clip_places(10, spec) == [list(range(start, start + 4)) for start in starts]


@pytest.mark.parametrize("spacing", ["even", "consecutive"])
def test_a_short_track_is_held_looped_or_dropped(spacing: str) -> None:
    def places(short: str) -> list[list[int]]:
        return clip_places(3, FaceClip.model_validate({"size": 64, "frames": 5, "spacing": spacing, "short": short}))

    assert places("hold") == [[0, 1, 2, 2, 2]]
    assert places("loop") == [[0, 1, 2, 0, 1]]
    assert places("drop") == []
    assert clip_places(0, FaceClip(size=64, frames=5)) == []


def test_stretches_are_runs_that_are_long_enough() -> None:
    assert stretches([3, 4, 7, 9, 10, 11, 20], 2) == [0, 1, 3, 4, 5]
    assert stretches([3, 4, 7, 9, 10, 11, 20], 3) == [3, 4, 5]
    assert stretches([5], 1) == [0]
    assert stretches([], 1) == []


def test_a_face_clip_holds_the_crops_of_its_track(preprocessor: Preprocessor, talking_clip: Path) -> None:
    clip, crop = FaceClip(size=64, frames=8), FaceCrop(size=64)
    bundle = bundle_of(preprocessor, talking_clip, clip, crop)
    tensor = bundle.tensors[clip.key()]
    assert tensor.shape == (1, 8, 64, 64, 3)
    assert tensor.dtype == np.uint8
    (frames,) = bundle.metadata.clips[clip.key()]
    assert frames == (0, 3, 5, 8, 11, 14, 16, 19)
    assert bundle.frame[clip.key()].tolist() == [0]
    assert bundle.track[clip.key()].tolist() == [0]
    np.testing.assert_array_equal(tensor[0], bundle.tensors[crop.key()][list(frames)])
    assert crop.key() not in bundle.metadata.clips


def test_successive_clips_of_two_strides(preprocessor: Preprocessor, talking_clip: Path) -> None:
    apart = FaceClip(size=32, frames=6, spacing="consecutive")
    sliding = FaceClip(size=32, frames=6, spacing="consecutive", stride=1)
    bundle = bundle_of(preprocessor, talking_clip, apart, sliding)
    assert bundle.frame[apart.key()].tolist() == [0, 6, 12]
    assert bundle.frame[sliding.key()].tolist() == list(range(15))
    np.testing.assert_array_equal(bundle.tensors[sliding.key()][12], bundle.tensors[apart.key()][2])


def test_a_track_that_is_too_short_is_said(preprocessor: Preprocessor, talking_clip: Path) -> None:
    spec = ChromaHistogram(frames=32)
    bundle = bundle_of(preprocessor, talking_clip, spec)
    assert spec.key() not in bundle.tensors
    (missing,) = bundle.metadata.missing
    assert (missing.key, missing.reason) == (spec.key(), "short_track")
    assert missing.detail == "The longest face track has 20 usable samples in 20 frames; a clip takes 32."


def test_open_eyes_are_said(preprocessor: Preprocessor, talking_clip: Path) -> None:
    spec = EyeClip(frames=4)
    bundle = bundle_of(preprocessor, talking_clip, spec, frames=6)
    (missing,) = bundle.metadata.missing
    assert missing.reason == "no_closed_eyes"
    assert "seen in 0 of 6 frames" in missing.detail
    for observation in bundle.metadata.tracks[0].observations:
        assert observation.eye_aspect is not None
        assert min(observation.eye_aspect) > 0.2
        assert observation.presence is not None
        assert observation.presence > 0.99


def test_an_eye_clip_is_made_where_the_ratio_is_under_the_threshold(
    preprocessor: Preprocessor, talking_clip: Path
) -> None:
    # Nobody blinks in the clip; a threshold over her open eyes takes every frame for closed.
    spec = EyeClip(frames=5, threshold=0.9, height=48, width=96)
    bundle = bundle_of(preprocessor, talking_clip, spec, frames=12)
    assert bundle.tensors[spec.key()].shape == (2, 5, 48, 96, 3)
    assert bundle.metadata.clips[spec.key()] == ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))


def eyes_mesh(opening: float) -> Mesh:
    """A mesh with two level eyes, 60 pixels wide and ``opening`` times as high, 40 pixels apart, about (200, 100)."""
    points = np.zeros((468, 3))
    across = np.array([-30.0, -10.0, 10.0, 30.0, 10.0, -10.0])
    down = np.array([0.0, -1.0, -1.0, 0.0, 1.0, 1.0]) * 30.0 * opening
    points[list(RIGHT_EYE), 0], points[list(RIGHT_EYE), 1] = 150.0 + across, 100.0 + down
    points[list(LEFT_EYE), 0], points[list(LEFT_EYE), 1] = 250.0 - across, 100.0 + down
    return Mesh(points, 1.0)


@pytest.mark.parametrize("opening", [0.0, 0.1, 0.35])
def test_the_eye_aspect_ratio_is_its_formula(opening: float) -> None:
    assert eye_aspect_ratios(eyes_mesh(opening)) == pytest.approx((opening, opening))


def test_a_picture_of_the_eyes_is_their_box_and_its_padding() -> None:
    rows, columns = np.mgrid[0:300, 0:640]
    picture = np.stack([columns // 4, rows % 256, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    cut = cut_eyes(picture, eyes_mesh(0.5), EyeClip(frames=2, padding=15.0, height=60, width=190))
    np.testing.assert_array_equal(cut, picture[70:130, 105:295])
    twice = np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
    mesh = Mesh(eyes_mesh(0.5).points * 2, 1.0)
    np.testing.assert_array_equal(cut_eyes(twice, mesh, EyeClip(frames=2, height=60, width=190)), cut)


def test_the_chroma_histogram_is_numpys() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    picture[:40] = 0
    spec = ChromaHistogram(frames=2)
    ours = chroma_histogram(picture, (30.0, 25.0, 50.0, 60.0), spec)
    region = picture[5:105, 10:100].astype(np.float32) + np.float32(1e-6)
    total = region.sum(axis=2)
    counts, _, _ = np.histogram2d(
        (region[..., 0] / total).ravel(), (region[..., 1] / total).ravel(), bins=32, range=[[0, 1], [0, 1]]
    )
    assert counts[10, 10] >= 35 * 90
    np.testing.assert_allclose(ours, (counts - counts.min()) / (counts.max() - counts.min()) * 255, rtol=1e-5)
    assert ours.shape == (32, 32)
    assert ours.dtype == np.float32
    assert (ours.min(), ours.max()) == (0.0, 255.0)


def test_a_red_face_is_red_in_the_histogram() -> None:
    picture = np.zeros((60, 60, 3), dtype=np.uint8)
    picture[..., 0] = 200
    histogram = chroma_histogram(picture, (20.0, 20.0, 20.0, 20.0), ChromaHistogram(frames=2, bins=8))
    assert histogram[7, 0] == 255.0
    assert histogram.sum() == 255.0


def test_histograms_of_a_video_come_in_windows(preprocessor: Preprocessor, talking_clip: Path) -> None:
    spec = ChromaHistogram(frames=8, stride=4)
    tensor = bundle_of(preprocessor, talking_clip, spec).tensors[spec.key()]
    assert tensor.shape == (4, 8, 32, 32)
    assert tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor[0, 4:], tensor[1, :4])


def test_clips_count_as_what_they_grow_to() -> None:
    samples = Samples(max_bytes=200_000)
    spec = FaceClip(size=64, frames=8, spacing="consecutive", stride=1)
    for frame in range(12):
        samples.keep(spec, np.zeros((64, 64, 3), dtype=np.uint8), frame, 0)
    with pytest.raises(RecipeTooLarge, match="With its clips"):
        samples.items(spec)


def test_boxes_are_padded_or_stretched_and_end_at_the_border() -> None:
    picture = np.full((100, 200, 3), 200, dtype=np.uint8)
    face = Face((40.0, 10.0, 40.0, 60.0), 0.9, np.zeros((6, 2)))
    padded = cut_face(picture, face, FaceCrop(size=64, margin=1.5, fit="pad"))
    # 60 x 90 about (60, 40), five rows of it above the picture: 60 x 85, scaled to 45 x 64.
    assert (padded[:, :9] == 0).all()
    assert (padded[:, 10:54] == 200).all()
    assert (padded[:, 55:] == 0).all()
    assert (cut_face(picture, face, FaceCrop(size=64, margin=1.5, fit="stretch")) == 200).all()


def test_every_spec_of_the_page_is_made_in_one_pass(preprocessor: Preprocessor, talking_clip: Path) -> None:
    specs = specs_of_the_page()
    bundle = bundle_of(preprocessor, talking_clip, *specs, frames=120)
    shapes = {spec.kind: bundle.tensors[spec.key()].shape for spec in specs if spec.key() in bundle.tensors}
    assert {missing.reason for missing in bundle.metadata.missing} == {"no_closed_eyes"}
    assert shapes["frame_clip"] == (1, 120, 224, 224, 3)
    assert shapes["chroma_histogram"] == (19, 32, 32, 32)
    assert shapes["lfcc"][1:] == (60, 401)
    for spec in specs:
        if isinstance(spec, FaceCrop):
            assert bundle.tensors[spec.key()].shape == (50, spec.size, spec.size, 3)
        if isinstance(spec, FaceClip):
            assert bundle.tensors[spec.key()].shape[1:] == (spec.frames, spec.size, spec.size, 3)
        if isinstance(spec, Waveform):
            assert bundle.tensors[spec.key()].shape[1] == spec.samples


def test_a_clip_of_whole_frames_shows_them_in_order(preprocessor: Preprocessor, talking_clip: Path) -> None:
    clip, whole = FrameClip(size=48, frames=5), Image(size=48)
    bundle = bundle_of(preprocessor, talking_clip, clip, whole, frames=9)
    assert bundle.metadata.clips[clip.key()] == ((0, 2, 4, 6, 8),)
    assert bundle.track[clip.key()].tolist() == [-1]
    np.testing.assert_array_equal(bundle.tensors[clip.key()][0], bundle.tensors[whole.key()][::2])
    assert bundle.metadata.tracks == ()


def test_a_still_makes_no_clip_unless_it_may_be_held(preprocessor: Preprocessor, tmp_path: Path) -> None:
    path = clips.write_picture(tmp_path / "still.png", clips.portrait())
    held, dropped = FrameClip(size=32, frames=3), FrameClip(size=32, frames=3, short="drop")
    bundle = bundle_of(preprocessor, path, held, dropped)
    assert bundle.metadata.clips[held.key()] == ((0, 0, 0),)
    (missing,) = bundle.metadata.missing
    assert (missing.key, missing.reason) == (dropped.key(), "short_track")
    assert missing.detail == "1 frame was looked at; a clip takes 3."
