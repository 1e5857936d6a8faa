"""Parts of a frame, converted alone, are those of the whole."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from telltale_preprocess.faces.crops import cut_square
from telltale_preprocess.media.colour import Turn, to_rgb
from telltale_preprocess.media.planar import PlanarPicture, can_stay_planar, reduced, shrink, whole
from telltale_preprocess.media.scaling import area_average

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


@pytest.mark.parametrize("side", [60.0, 83.4, 120.0, 127.9, 190.2, 233.0])
def test_a_glimpse_shows_what_a_crop_shows(side: float) -> None:
    source, centre = frame(320, 240), (151.3, 118.8)
    glimpse = PlanarPicture(source, Colorspace.ITU709).glimpse(centre, side, 60)
    assert glimpse is not None
    assert glimpse.shape == (60, 60, 3)
    crop = cut_square(converted(source), centre, side, 60)
    # Two pixels beside it is another picture: so far apart are a crop and the one next to it.
    beside = cut_square(converted(source), (centre[0] + 4.0, centre[1] + 4.0), side, 60)
    apart = np.abs(beside.astype(int) - crop).mean()
    assert np.abs(glimpse.astype(int) - crop).mean() < apart / 1.5


@pytest.mark.parametrize(("centre", "side"), [((20.0, 120.0), 64.0), ((160.0, 230.0), 64.0), ((160.0, 120.0), 59.0)])
def test_there_is_no_glimpse_beyond_the_picture_nor_of_less_than_asked(
    centre: tuple[float, float], side: float
) -> None:
    assert PlanarPicture(frame(320, 240), Colorspace.ITU709).glimpse(centre, side, 60) is None


@pytest.mark.parametrize("size", [(378, 379), (225, 224), (301, 250), (448, 448), (700, 900), (1400, 225)])
def test_areas_are_averaged_as_opencv_averages_them(size: tuple[int, int]) -> None:
    draw = np.random.default_rng(3)
    picture = draw.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    expected = cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA)
    difference = np.abs(area_average(picture, 224, 224).astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.2


@pytest.mark.parametrize("rows", [33, 599])
@pytest.mark.parametrize("columns", [301, 599, 601, 1999, 2003, 4001, 7999])
@pytest.mark.parametrize("shrunk", [1.01, 2.0, 3.3])
def test_colours_stay_in_place_however_wide(rows: int, columns: int, shrunk: float) -> None:
    draw = np.random.default_rng(4)
    picture = draw.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    size = int(columns / shrunk), int(rows / shrunk)
    expected = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    difference = np.abs(area_average(picture, *size).astype(int) - expected)
    assert difference.max() <= 3
    assert difference.mean(axis=(0, 1)).max() < 0.5


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
