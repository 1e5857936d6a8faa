"""Parts of a frame, converted alone, are those of the whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from telltale_preprocess.media.colour import Turn, to_rgb
from telltale_preprocess.media.planar import PlanarPicture, can_stay_planar, reduced, shrink, whole

from tests import clips
from tests.clips import Picture


def frame(width: int, height: int, pixel_format: str = "yuv420p") -> VideoFrame:
    """The portrait's middle in the colours that cameras write, noise over it."""
    noise = np.random.default_rng(1).integers(-20, 20, (height, width, 3))
    picture = np.clip(clips.portrait()[:height, :width].astype(int) + noise, 0, 255).astype(np.uint8)
    made = VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixel_format, dst_colorspace=Colorspace.ITU709)
    made.colorspace = Colorspace.ITU709
    return made


def converted(source: VideoFrame) -> Picture:
    """All of it by one conversion."""
    rgb = source.reformat(format="rgb24", src_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.JPEG)
    return np.asarray(rgb.to_ndarray(), dtype=np.uint8)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p"])
@pytest.mark.parametrize("size", [(320, 240), (322, 182), (130, 46)])
def test_a_region_equals_that_of_the_whole(pixel_format: str, size: tuple[int, int]) -> None:
    source = frame(*size, pixel_format)
    planar, every = PlanarPicture(source, Colorspace.ITU709), converted(source)
    assert planar.shape == every.shape
    draw = np.random.default_rng(2)
    for _ in range(60):
        left, right = sorted(draw.integers(0, size[0] + 1, 2).tolist())
        top, bottom = sorted(draw.integers(0, size[1] + 1, 2).tolist())
        if left < right and top < bottom:
            np.testing.assert_array_equal(planar[top:bottom, left:right], every[top:bottom, left:right])
    np.testing.assert_array_equal(whole(planar), every)


@pytest.mark.parametrize("side", [160, 161, 64, 33])
def test_a_reduced_copy_shows_what_a_reduced_array_shows(side: int) -> None:
    source = frame(320, 240)
    small, expected = reduced(PlanarPicture(source, Colorspace.ITU709), side), reduced(converted(source), side)
    assert small.shape == expected.shape
    assert max(small.shape) == side
    assert np.abs(small.astype(int) - expected).mean() < (6.0 if side % 2 else 3.0)


def test_a_copy_is_not_larger_than_the_picture() -> None:
    source = frame(320, 240)
    np.testing.assert_array_equal(reduced(PlanarPicture(source, Colorspace.ITU709), 640), converted(source))


def test_shrinking_keeps_the_mean() -> None:
    picture = clips.portrait()
    for width, height in itertools.product((200, 77), (150, 31)):
        assert np.abs(shrink(picture, width, height).mean() - picture.mean()) < 1.5


def test_what_cannot_be_cut_in_planes_is_converted_whole() -> None:
    for source in (frame(320, 240, "yuv422p"), frame(320, 240, "yuv420p10le"), frame(321, 240), frame(320, 241)):
        assert not can_stay_planar(source)
        assert isinstance(to_rgb(source, Turn()), np.ndarray)
    even = frame(320, 240)
    assert isinstance(to_rgb(even, Turn()), PlanarPicture)
    turned = to_rgb(even, Turn(exchanged=True))
    assert isinstance(turned, np.ndarray)
    assert turned.shape == (320, 240, 3)
