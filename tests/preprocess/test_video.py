"""Frames: the right ones, at their true times, upright and in true colours."""

from __future__ import annotations

import gc
import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from PIL import Image as Pillow
from telltale_contracts import Sampling
from telltale_preprocess.errors import DamagedMedia, ImageTooLarge, ImageTooSmall
from telltale_preprocess.media.container import open_container
from telltale_preprocess.media.planar import whole
from telltale_preprocess.media.sampling import target_frames
from telltale_preprocess.media.timeline import Timeline, read_times
from telltale_preprocess.media.video import Picture, _Gate, decode_frames

from tests.clips import Picture as Pixels
from tests.preprocess.coded import coded_picture, read_code, steady, write_coded

_holds_back = _Gate.holds_back


def _noted(gate: _Gate, packet: Packet[Any], passed: list[float]) -> bool:
    held = _holds_back(gate, packet)
    if not held and packet.pts is not None and packet.time_base is not None:
        passed.append(float(packet.pts * packet.time_base))
    return held


def decode(path: Path, sampling: Sampling | None = None, **limits: int) -> tuple[Timeline, list[Picture]]:
    """All sampled frames of a file."""
    with path.open("rb") as file:
        with open_container(file) as container:
            timeline = read_times(container, 600.0).timeline
        assert timeline is not None
        targets = target_frames(timeline, sampling or Sampling())
        pictures = decode_frames(file, timeline, targets, **{"max_pixels": 10**8} | limits)
        return timeline, [replace(picture, rgb=whole(picture.rgb)) for picture in pictures]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", {"g": "12", "bf": "3"}),
        ("clip.mkv", "libx264", {"g": "250", "bf": "2"}),
        ("clip.mov", "libx265", {"x265-params": "log-level=none:keyint=20"}),
        ("clip.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
        ("clip.avi", "mpeg4", {"g": "12", "bf": "2"}),
        ("clip.avi", "libx264", {"x264-params": "bframes=2:b-adapt=0:b-pyramid=none"}),
        ("clip.avi", "libx264", {"x264-params": "bframes=16:b-adapt=0"}),
        ("clip.ts", "libx264", {"g": "12", "bf": "2"}),
        ("clip.h264", "libx264", {"g": "12", "bf": "0"}),
    ],
)
def test_every_frame_carries_its_own_index_in_any_container(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = write_coded(tmp_path / name, steady(60), codec=codec, options=options)
    timeline, pictures = decode(path, Sampling(max_frames=60))
    assert len(timeline.times) == len(pictures) == 60
    assert [read_code(picture.rgb) for picture in pictures] == [picture.index for picture in pictures]


def test_an_animated_gif_is_a_video(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "clip.gif", steady(20, 10), codec="gif", pixel_format="rgb8")
    _, pictures = decode(path)
    assert [read_code(picture.rgb) for picture in pictures] == list(range(20))


def test_the_frames_of_a_gif_without_delays_are_all_there() -> None:
    frames = [Pillow.fromarray(coded_picture(number)) for number in range(12)]
    body = io.BytesIO()
    frames[0].save(body, "GIF", save_all=True, append_images=frames[1:])
    with open_container(body) as container:
        timeline = read_times(container, 600.0).timeline
    assert timeline is not None
    pictures = list(decode_frames(body, timeline, np.arange(12, dtype=np.int64), max_pixels=10**8))
    assert [read_code(picture.rgb) for picture in pictures] == list(range(12))
    assert len(timeline.times) == 12


def test_times_come_from_time_stamps_not_from_a_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.5, 1.7, 1.74, 3.0]
    timeline, pictures = decode(write_coded(tmp_path / "clip.mkv", times))
    assert timeline.variable
    assert [round(picture.t, 3) for picture in pictures] == times
    assert [read_code(picture.rgb) for picture in pictures] == list(range(7))


def test_a_clip_that_starts_late_starts_at_zero(tmp_path: Path) -> None:
    _, pictures = decode(write_coded(tmp_path / "clip.mkv", [5.0 + t for t in steady(10)]))
    assert pictures[0].t == 0.0
    assert pictures[-1].t == pytest.approx(0.36)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("closed.mp4", "libx264", {"g": "12", "bf": "3"}),
        ("open.mp4", "libx264", {"x264-params": "keyint=12:bframes=3:open-gop=1"}),
        ("open.mkv", "libx265", {"x265-params": "log-level=none:keyint=12:open-gop=1:bframes=4"}),
        ("clip.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "12"}),
    ],
)
@pytest.mark.parametrize("count", [3, 5, 9, 14, 31])
def test_leaving_out_what_no_target_needs_changes_no_pixel(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], count: int
) -> None:
    path = write_coded(tmp_path / name, steady(96), codec=codec, options=options)
    _, every = decode(path, Sampling(max_frames=96))
    known = {picture.index: picture.rgb for picture in every}
    _, some = decode(path, Sampling(max_frames=count))
    assert len(some) == count
    for picture in some:
        assert read_code(picture.rgb) == picture.index
        np.testing.assert_array_equal(picture.rgb, known[picture.index])


@pytest.mark.parametrize("last", [10, 12, 22, 30])
def test_a_group_is_decoded_no_further_than_its_last_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    path = write_coded(tmp_path / "clip.mp4", steady(96), options={"g": "48", "bf": "3"})
    shown: list[float] = []
    monkeypatch.setattr(_Gate, "holds_back", lambda gate, packet: _noted(gate, packet, shown))
    with path.open("rb") as file:
        with open_container(file) as container:
            timeline = read_times(container, 600.0).timeline
        assert timeline is not None
        targets = np.array([last, 60, 80])
        pictures = list(decode_frames(file, timeline, targets, max_pixels=10**8))
    assert [read_code(whole(picture.rgb)) for picture in pictures] == [picture.index for picture in pictures]
    assert max(abs(picture.index - target) for picture, target in zip(pictures, targets, strict=True)) <= 1
    # Frames are decoded before those that they are shown after: three at most, as the encoder was told.
    assert max(moment for moment in shown if moment < timeline.times[48]) <= timeline.times[last + 3] + 1e-6


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("frames", [3, 8, 64])
def test_a_stream_that_is_refreshed_gradually_has_one_key_frame(tmp_path: Path, name: str, frames: int) -> None:
    options = {"x264-params": "keyint=40:bframes=0:intra-refresh=1"}
    path = write_coded(tmp_path / name, steady(200), options=options)
    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    timeline, pictures = decode(path, Sampling(max_frames=frames))
    assert timeline.keys.tolist() == [0]
    assert len(pictures) == frames
    for picture in pictures:
        assert read_code(picture.rgb) == picture.index
        assert np.abs(picture.rgb.astype(int) - expected[picture.index]).max() <= 8


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_the_key_frames_of_open_groups_stay_key_frames(tmp_path: Path, name: str) -> None:
    options = {"x264-params": "keyint=20:min-keyint=20:scenecut=0:bframes=2:open-gop=1"}
    timeline, _ = decode(write_coded(tmp_path / name, steady(100), options=options))
    assert len(timeline.keys) == 5


def test_leaving_out_unreferenced_frames_changes_no_pixel(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "clip.mp4", steady(200), options={"g": "250", "bf": "3"})
    timeline, every = decode(path, Sampling(max_frames=200))
    _, few = decode(path, Sampling(max_frames=16))
    known = {picture.index: picture.rgb for picture in every}
    targets = target_frames(timeline, Sampling(max_frames=16))
    assert len(few) == 16
    for picture, target in zip(few, targets, strict=True):
        assert read_code(picture.rgb) == picture.index
        assert abs(picture.index - target) <= 3
        np.testing.assert_array_equal(picture.rgb, known[picture.index])


def test_of_long_stretches_key_frames_are_taken_alone_pixel_for_pixel(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "clip.mp4", steady(900), options={"g": "40", "bf": "2", "preset": "ultrafast"})
    timeline, every = decode(path, Sampling(max_frames=900 // 2))
    _, few = decode(path, Sampling(max_frames=5))
    assert [read_code(picture.rgb) for picture in few] == [picture.index for picture in few]
    assert {picture.index for picture in few} <= set(timeline.keys.tolist())
    assert max(abs(picture.index - (180 * place + 90)) for place, picture in enumerate(few)) <= 20
    known = {picture.index: picture.rgb for picture in every}
    for picture in few:
        if picture.index in known:
            np.testing.assert_array_equal(picture.rgb, known[picture.index])
    assert known.keys() & {picture.index for picture in few}


def test_the_decoder_goes_with_its_last_picture(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "clip.mp4", steady(60))
    gc.collect()
    gc.disable()
    try:
        decode(path, Sampling(max_frames=8))
        left = [each for each in gc.get_objects() if issubclass(type(each), InputContainer | VideoStream)]
    finally:
        gc.enable()
    assert not left


def test_far_from_key_frames_the_middles_are_sought_and_exact(tmp_path: Path) -> None:
    path = write_coded(
        tmp_path / "clip.mp4", steady(900), options={"g": "400", "bf": "2", "sc_threshold": "0", "preset": "ultrafast"}
    )
    timeline, pictures = decode(path, Sampling(max_frames=6))
    middles = [75, 225, 375, 525, 675, 825]
    assert timeline.keys.tolist() == [0, 400, 800]
    assert [read_code(picture.rgb) for picture in pictures] == [picture.index for picture in pictures]
    nearest = [abs(picture.index - middle) for picture, middle in zip(pictures, middles, strict=True)]
    assert max(nearest[:2] + nearest[3:5]) <= 3
    assert (pictures[2].index, pictures[5].index) == (400, 800)


def test_frames_per_second_are_kept_or_the_whole_clip_is_covered(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "clip.mp4", steady(100))
    _, two = decode(path, Sampling(fps=2))
    assert [picture.t for picture in two] == pytest.approx([0.0, 0.48, 1.0, 1.52, 2.0, 2.52, 3.0, 3.52], abs=0.09)
    _, capped = decode(path, Sampling(fps=25, max_frames=4))
    assert [round(picture.t) for picture in capped] == [0, 1, 2, 3]


def test_whole_frames_are_not_kept(tmp_path: Path) -> None:
    def draw(number: int) -> Pixels:
        return np.ascontiguousarray(coded_picture(number).repeat(20, axis=0).repeat(10, axis=1))

    path = write_coded(tmp_path / "clip.mkv", steady(40), codec="ffv1", pixel_format="bgr0", draw=draw)
    timeline = decode(path, Sampling(max_frames=1))[0]
    process = psutil.Process()
    gc.collect()
    gc.disable()
    try:
        before = process.memory_info().rss
        with path.open("rb") as file:
            for picture in decode_frames(file, timeline, np.arange(40, dtype=np.int64), max_pixels=10**8):
                assert picture.rgb.shape == (960, 1600, 3)
                # The stream keeps some for its references, the reader two, and we one.
                assert process.memory_info().rss - before < 20 * 960 * 1600 * 4
    finally:
        gc.enable()


def quarters(number: int) -> Pixels:
    """Four coloured quarters: red, green above blue, white."""
    del number
    picture = np.zeros((96, 160, 3), dtype=np.uint8)
    picture[:48, :80], picture[:48, 80:] = (200, 30, 30), (30, 200, 30)
    picture[48:, :80], picture[48:, 80:] = (30, 30, 200), (220, 220, 220)
    return picture


@pytest.mark.parametrize(
    ("degrees", "mirrored", "expected", "clockwise"),
    [
        (0, False, "rgbw", 0),
        (90, False, "gwrb", 270),
        (-90, False, "brwg", 90),
        (180, False, "wbgr", 180),
        (0, True, "grwb", 0),
    ],
)
def test_display_matrices_are_applied(
    tmp_path: Path, degrees: int, mirrored: bool, expected: str, clockwise: int
) -> None:
    def turn(stream: VideoStream) -> None:
        stream.set_display_rotation(degrees, hflip=mirrored)

    path = write_coded(tmp_path / "clip.mp4", steady(3), prepare=turn, draw=quarters)
    _, pictures = decode(path)
    picture = pictures[0]
    height, width = picture.rgb.shape[:2]
    assert (width, height) == ((160, 96) if degrees in (0, 180) else (96, 160))
    corners = [picture.rgb[y, x] for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    names = ["w" if corner.min() > 150 else "rgb"[int(corner.argmax())] for corner in corners]
    assert "".join(names) == expected
    if not mirrored:
        assert picture.rotation == clockwise


@pytest.mark.parametrize(("matrix", "code"), [("bt709", 1), ("smpte170m", 6)])
@pytest.mark.parametrize("scale", [1, 8])
def test_colours_survive_either_matrix(tmp_path: Path, matrix: str, code: int, scale: int) -> None:
    def draw(number: int) -> Pixels:
        return np.ascontiguousarray(quarters(number).repeat(scale, axis=0).repeat(scale, axis=1))

    path = tmp_path / "clip.mp4"
    write_in_matrix(path, draw(0), matrix, code)
    _, pictures = decode(path)
    rgb = pictures[0].rgb.astype(int)
    inside = (slice(8 * scale, 40 * scale), slice(16 * scale, 64 * scale))
    assert np.abs(rgb[inside] - (200, 30, 30)).max() <= 6


def write_in_matrix(path: Path, picture: Pixels, matrix: str, code: int) -> None:
    """One frame of a picture coded with, and marked as, a matrix."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4", "colormatrix": matrix})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv444p"
        stream.codec_context.colorspace = code
        frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
            format="yuv444p", dst_colorspace={1: 1, 6: 5}[code], src_color_range=2, dst_color_range=1
        )
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(("width", "height"), [(161, 97), (33, 47), (18, 400)])
def test_odd_sizes_are_kept(tmp_path: Path, width: int, height: int) -> None:
    path = write_coded(
        tmp_path / "clip.mkv",
        steady(3),
        codec="ffv1",
        pixel_format="yuv444p",
        draw=lambda number: coded_picture(number, width, height),
    )
    _, pictures = decode(path)
    assert pictures[0].rgb.shape == (height, width, 3)


@pytest.mark.parametrize(
    ("aspect", "width"), [(Fraction(2), 320), (Fraction(64, 45), 228), (Fraction(8, 9), 142), (Fraction(50), 160)]
)
@pytest.mark.parametrize("turned", [False, True])
def test_pixels_that_are_not_square_are_made_so(tmp_path: Path, aspect: Fraction, width: int, turned: bool) -> None:
    def prepare(stream: VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = aspect
        stream.set_display_rotation(90.0 if turned else 0.0)

    path = write_coded(tmp_path / "clip.mp4", steady(8), prepare=prepare)
    _, pictures = decode(path)
    for picture in pictures:
        rgb = np.rot90(picture.rgb, picture.rotation // 90)
        assert rgb.shape == (48, width, 3)
        half = width / 20
        cells = [rgb[8, round(half * (2 * bit + 1))].mean() > 128 for bit in range(10)]
        assert sum(int(cell) << bit for bit, cell in enumerate(cells)) == picture.index


@pytest.mark.parametrize("name", ["clip.ts", "clip.avi", "clip.h264", "clip.mkv", "clip.flv"])
def test_the_shape_of_pixels_that_only_the_stream_says_counts(tmp_path: Path, name: str) -> None:
    def prepare(stream: VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(2)

    path = write_coded(tmp_path / name, steady(8), options={"bf": "0"}, prepare=prepare)
    _, pictures = decode(path)
    assert {picture.rgb.shape for picture in pictures} == {(48, 320, 3)}


def test_a_picture_that_its_pixels_make_too_narrow_is_refused(tmp_path: Path) -> None:
    def prepare(stream: VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(1, 4)

    path = write_coded(tmp_path / "clip.mp4", steady(8), prepare=prepare)
    with pytest.raises(ImageTooSmall):
        decode(path, min_side=48)


@pytest.mark.parametrize("cut", [10, 50, 75])
@pytest.mark.parametrize("frames", [4, 32, 512])
def test_what_a_trim_hides_is_no_frame(tmp_path: Path, cut: int, frames: int) -> None:
    options = {"x264-params": "keyint=250:scenecut=0:bframes=2"}
    whole_clip = write_coded(tmp_path / "whole.mp4", steady(100), options=options)
    trimmed = tmp_path / "trimmed.mp4"
    with (
        av.open(str(whole_clip)) as source,
        av.open(str(trimmed), "w", options={"avoid_negative_ts": "disabled"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        begin = sorted(packet.pts for packet in packets if packet.pts is not None)[cut]
        for packet in packets:
            assert packet.pts is not None
            assert packet.dts is not None
            packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, stream
            target.mux(packet)
    timeline, pictures = decode(trimmed, Sampling(max_frames=frames))
    np.testing.assert_allclose(timeline.times, steady(100 - cut), atol=2e-3)
    assert len(pictures) == min(frames, 100 - cut)
    assert all(read_code(picture.rgb) == picture.index + cut for picture in pictures)


def test_a_clip_cut_off_names_both_durations(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "clip.mkv", steady(200))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DamagedMedia, match=r"declares 8\.0\d* s but ends after [34]\.\d+ s"):
        decode(path)


def test_a_clip_of_noise_is_damaged(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "clip.mp4", steady(60))
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 8
    end = content.index(b"moov") - 4
    content[start:end] = np.random.default_rng(3).bytes(end - start)
    path.write_bytes(content)
    with pytest.raises(DamagedMedia, match="can be decoded"):
        decode(path)


def test_a_frame_larger_than_allowed_is_refused_whatever_the_header_says(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "clip.mp4", steady(3))
    with pytest.raises(ImageTooLarge, match="megapixels"):
        decode(path, max_pixels=1000)


@pytest.mark.parametrize(("name", "container"), [("clip.avi", "avi"), ("clip.mov", "mov"), ("clip.mkv", "matroska")])
@pytest.mark.parametrize("orientation", [1, 6])
def test_exif_inside_of_a_moving_picture_turns_it(tmp_path: Path, name: str, container: str, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    body = io.BytesIO()
    upright = np.zeros((64, 96, 3), dtype=np.uint8)
    upright[:, 48:] = 200
    Pillow.fromarray(upright).save(body, "JPEG", exif=exif, quality=95)
    with av.open(str(tmp_path / name), "w", format=container) as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for number in range(5):
            packet = av.Packet(body.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
            packet.is_keyframe = True
            output.mux(packet)
    _, pictures = decode(tmp_path / name, Sampling(max_frames=5))
    assert len(pictures) == 5
    # A quarter turn clockwise brings the bright right half to the bottom.
    bright = pictures[0].rgb[40:] if orientation == 6 else pictures[0].rgb[:, 56:]
    assert pictures[0].rgb.shape[:2] == ((96, 64) if orientation == 6 else (64, 96))
    assert bright[16:].min() > 150


def test_transparency_of_a_moving_picture_lies_on_white(tmp_path: Path) -> None:
    frames = [Pillow.new("RGBA", (64, 48), (200, 30, 30, alpha)) for alpha in (0, 128, 255)]
    frames[0].save(tmp_path / "clip.png", save_all=True, append_images=frames[1:], duration=100, disposal=1, blend=0)
    _, pictures = decode(tmp_path / "clip.png", Sampling(max_frames=3))
    shown = [picture.rgb[24, 32].tolist() for picture in pictures]
    assert np.abs(np.array(shown) - [[255, 255, 255], [227, 142, 142], [200, 30, 30]]).max() <= 2
