"""Every container, codec and layout of pixels that people send is told by its content and comes out right."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow
from telltale_contracts import FaceCrop, Image, Recipe, Sampling, TensorBundle, Waveform
from telltale_preprocess.errors import MediaTooLong
from telltale_preprocess.media.sound import decode_sound
from telltale_preprocess.pipeline import Preprocessor
from telltale_preprocess.settings import Settings

from tests import clips
from tests.preprocess.coded import coded_picture, read_code, steady, write_coded

RECIPE = Recipe(inputs=(FaceCrop(size=64), Waveform(samples=16_000)), sampling=Sampling(max_frames=4))
WHOLE = Recipe(inputs=(Image(size=64),), sampling=Sampling(max_frames=4))


def bundle_of(preprocessor: Preprocessor, body: bytes | Path, recipe: Recipe = RECIPE) -> TensorBundle:
    """The bundle of a file that has no name."""
    return preprocessor.preprocess(io.BytesIO(body if isinstance(body, bytes) else body.read_bytes()), recipe)


def talking(
    path: Path,
    voice: clips.Sound | None,
    video: str,
    audio: str = "aac",
    *,
    picture: clips.Picture | None = None,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """Twelve frames of the portrait, with a voice at 44.1 kHz in stereo."""
    shown = clips.portrait() if picture is None else picture
    with av.open(str(path), "w", options=container or {}) as output:
        stream = output.add_stream(video, rate=12, options=options or {})
        stream.height, stream.width = shown.shape[:2]
        stream.pix_fmt = pixel_format
        rate = 48_000 if audio == "libopus" else 44_100
        sound = output.add_stream(audio, rate=rate) if voice is not None else None
        if sound is not None:
            sound.layout, sound.bit_rate = "stereo", 128_000
        for _ in range(12):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(shown, "rgb24")))
        output.mux(stream.encode())
        if sound is not None and voice is not None:
            frame = av.AudioFrame.from_ndarray(voice[None], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
            for part in av.AudioResampler(sound.codec_context.format, "stereo", rate).resample(frame):
                output.mux(sound.encode(part))
            output.mux(sound.encode())
    return path


@pytest.mark.parametrize(
    "made",
    [
        ("a.mp4", "libx264", "aac"),
        ("a.mp4", "libx265", "aac"),
        # Not AV1: its only encoder here makes the whole process a real-time one, before which nothing else runs.
        ("a.mov", "mjpeg", "alac"),
        ("a.mov", "prores", "pcm_s16le"),
        ("a.avi", "mpeg4", "libmp3lame"),
        ("a.avi", "libx264", "libmp3lame"),
        ("a.mkv", "libx264", "flac"),
        ("a.webm", "libvpx", "libopus"),
        ("a.webm", "libvpx-vp9", "libopus"),
        ("a.flv", "flv", "libmp3lame"),
        ("a.flv", "libx264", "aac"),
        ("a.wmv", "wmv2", "wmav2"),
        ("a.mpg", "mpeg2video", "mp2"),
        ("a.ts", "libx264", "aac"),
        ("a.3gp", "mpeg4", "aac"),
    ],
    ids="-".join,
)
def test_a_talking_face_is_seen_and_heard_in_every_container(
    tmp_path: Path, preprocessor: Preprocessor, voice: clips.Sound, made: tuple[str, str, str]
) -> None:
    name, video, audio = made
    if video == "libx265":
        options = {"x265-params": "log-level=none", "preset": "ultrafast"}
    else:
        options = {"preset": "ultrafast"} if video == "libx264" else {"deadline": "realtime"} if "vp" in video else {}
    pixels = {"prores": "yuv422p10le", "mjpeg": "yuvj420p"}.get(video, "yuv420p")
    path = talking(tmp_path / name, voice, video, audio, pixel_format=pixels, options=options)
    bundle = bundle_of(preprocessor, path)
    metadata = bundle.metadata
    assert metadata.missing == ()
    assert (metadata.media.kind, metadata.media.width, metadata.media.height) == ("video", 512, 512)
    assert metadata.media.total_frames in (11, 12)
    assert [len(track.observations) for track in metadata.tracks] == [4]
    assert metadata.audio is not None
    assert metadata.audio.duration_s == pytest.approx(len(voice) / 16_000, abs=0.15)
    assert (metadata.media.sample_rate, metadata.media.channels) == (44_100 if audio != "libopus" else 48_000, 2)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s24le"),
        ("a.mp3", "libmp3lame"),
        ("a.flac", "flac"),
        ("a.ogg", "vorbis"),
        ("a.opus", "libopus"),
        ("a.m4a", "aac"),
        ("a.m4a", "alac"),
        ("a.aac", "aac"),
        ("a.wma", "wmav2"),
        ("a.ac3", "ac3"),
    ],
)
def test_sound_alone_is_heard_in_every_container(
    tmp_path: Path, preprocessor: Preprocessor, voice: clips.Sound, name: str, codec: str
) -> None:
    with av.open(str(tmp_path / name), "w") as output:
        stream = output.add_stream(codec, rate=48_000, options={"strict": "-2"} if codec == "vorbis" else {})
        stream.layout, stream.bit_rate = "stereo", 128_000
        frame = av.AudioFrame.from_ndarray(voice[None], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
        for part in av.AudioResampler(stream.codec_context.format, "stereo", 48_000).resample(frame):
            output.mux(stream.encode(part))
        output.mux(stream.encode())
    metadata = bundle_of(preprocessor, tmp_path / name).metadata
    assert (metadata.media.kind, metadata.media.channels, metadata.media.sample_rate) == ("audio", 2, 48_000)
    assert [missing.reason for missing in metadata.missing] == ["no_picture"]
    assert metadata.audio is not None
    assert metadata.audio.duration_s == pytest.approx(len(voice) / 16_000, abs=0.15)
    assert metadata.audio.speech_s > 2.0


def quarters(height: int = 96, width: int = 160) -> clips.Picture:
    """Red and green above blue and white."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = (200, 30, 30), (30, 200, 30)
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = (30, 30, 200), (220, 220, 220)
    return picture


def colours(picture: clips.Picture) -> np.ndarray:
    """The middles of the four quarters, int [4, 3]."""
    height, width = picture.shape[:2]
    return np.array(
        [
            picture[y - 3 : y + 3, x - 3 : x + 3].mean(axis=(0, 1))
            for y in (height // 4, 3 * height // 4)
            for x in (width // 4, 3 * width // 4)
        ]
    )


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("libx264", "yuv420p"),
        ("libx264", "yuv420p10le"),
        ("libx264", "yuv422p"),
        ("libx264", "yuv422p10le"),
        ("libx264", "yuv444p"),
        ("libx264", "yuvj420p"),
        ("mjpeg", "yuvj422p"),
        ("ffv1", "bgr0"),
        ("ffv1", "yuv420p16le"),
        ("ffv1", "yuva420p"),
        ("ffv1", "gbrp10le"),
    ],
)
def test_colours_survive_every_layout_of_pixels(
    tmp_path: Path, preprocessor: Preprocessor, codec: str, pixel_format: str
) -> None:
    options = {"crf": "4"} if codec == "libx264" else {}
    path = talking(tmp_path / "a.mkv", None, codec, picture=quarters(), pixel_format=pixel_format, options=options)
    bundle = bundle_of(preprocessor, path, WHOLE)
    (pictures,) = bundle.tensors.values()
    assert np.abs(colours(pictures[0]) - colours(quarters())).max() <= 6


def comb(first: clips.Picture, second: clips.Picture) -> clips.Picture:
    """A frame of two fields: the even lines of one picture between the odd lines of another."""
    woven = first.copy()
    woven[1::2] = second[1::2]
    return woven


def test_the_fields_of_an_interlaced_video_are_not_mixed(tmp_path: Path, preprocessor: Preprocessor) -> None:
    bright, dark = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64, 3), 50, np.uint8)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg2video", rate=25, options={"flags": "+ilme+ildct", "b": "8000000"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(4):
            frame = av.VideoFrame.from_ndarray(comb(bright, dark), "rgb24").reformat(format="yuv420p")
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    with av.open(str(path)) as opened:
        assert next(opened.decode(video=0)).interlaced_frame
    (pictures,) = bundle_of(preprocessor, path, WHOLE).tensors.values()
    rows = pictures[0].mean(axis=(1, 2))
    assert np.ptp(rows) <= 6
    assert pictures[0].shape == (64, 64, 3)


def animation(kind: str, size: tuple[int, int] = (160, 48), **options: object) -> bytes:
    """Twelve numbered frames at 0, 0.1, ... 0.5, 1.0, ... seconds."""
    frames = [Pillow.fromarray(coded_picture(number, *size)) for number in range(12)]
    body = io.BytesIO()
    frames[0].save(
        body, kind, save_all=True, append_images=frames[1:], duration=[100] * 5 + [500] + [100] * 6, loop=0, **options
    )
    return body.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"),
    [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 90}), ("AVIF", {"quality": 90})],
)
def test_an_animation_is_a_clip(preprocessor: Preprocessor, kind: str, options: dict[str, object]) -> None:
    wide = Recipe(inputs=(Image(size=160),), sampling=Sampling(max_frames=12))
    bundle = bundle_of(preprocessor, animation(kind, **options), wide)
    metadata = bundle.metadata
    assert (metadata.media.kind, metadata.media.total_frames) == ("video", 12)
    assert (metadata.media.width, metadata.media.height) == (160, 48)
    expected = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5]
    assert [frame.t for frame in metadata.frames] == pytest.approx(expected, abs=0.011)
    assert metadata.media.variable_frame_rate
    (pictures,) = bundle.tensors.values()
    squeezed = [np.asarray(Pillow.fromarray(picture).resize((160, 48))) for picture in pictures]
    assert [read_code(picture) for picture in squeezed] == list(range(12))


def test_no_sound_in_a_video_is_said(tmp_path: Path, preprocessor: Preprocessor) -> None:
    metadata = bundle_of(preprocessor, talking(tmp_path / "a.mp4", None, "libx264")).metadata
    assert metadata.media.audio_codec is None
    assert [missing.reason for missing in metadata.missing] == ["no_audio"]


@pytest.mark.parametrize("movflags", ["faststart", "frag_keyframe+empty_moov", "disable_chpl"])
def test_the_index_of_an_mp4_may_stand_anywhere(
    tmp_path: Path, preprocessor: Preprocessor, voice: clips.Sound, movflags: str
) -> None:
    path = talking(tmp_path / "a.mp4", voice, "libx264", container={"movflags": movflags})
    body = path.read_bytes()
    assert (body.index(b"moov") > body.index(b"mdat")) == (movflags == "disable_chpl")
    metadata = bundle_of(preprocessor, path).metadata
    assert (metadata.missing, metadata.media.total_frames) == ((), 12)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4")])
def test_a_video_of_one_frame_is_a_video(tmp_path: Path, preprocessor: Preprocessor, name: str, codec: str) -> None:
    metadata = bundle_of(preprocessor, write_coded(tmp_path / name, steady(1), codec=codec), WHOLE).metadata
    assert (metadata.media.kind, metadata.media.total_frames, metadata.media.src_fps) == ("video", 1, None)
    assert [(frame.index, frame.t) for frame in metadata.frames] == [(0, 0.0)]


def two_tracks(path: Path, default: int) -> Path:
    """Two sound tracks, a tone at 0.1 and one at 0.4, one of them marked as the default."""
    with av.open(str(path), "w") as output:
        streams = [output.add_stream("pcm_s16le", rate=16_000) for _ in range(2)]
        for place, stream in enumerate(streams):
            stream.layout = "mono"
            stream.disposition = av.stream.Disposition.default if place == default else av.stream.Disposition(0)
        for stream, level in zip(streams, (0.1, 0.4), strict=True):
            pcm = (clips.tone(1.0) / 0.3 * level * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm[None], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
            output.mux(stream.encode(frame))
            output.mux(stream.encode())
    return path


@pytest.mark.parametrize(("default", "level"), [(0, 0.1), (1, 0.4)])
def test_of_several_sound_tracks_the_default_one_is_used_and_named(
    tmp_path: Path, preprocessor: Preprocessor, default: int, level: float
) -> None:
    path = two_tracks(tmp_path / "a.mkv", default)
    with path.open("rb") as file:
        sound = decode_sound(file, [16_000], max_seconds=10.0)[16_000]
    assert np.abs(sound).max() == pytest.approx(level, rel=0.02)
    media = bundle_of(preprocessor, path).metadata.media
    assert (media.audio_track, media.audio_tracks) == (default, 2)


def test_two_hours_are_refused_unless_they_are_allowed(tmp_path: Path, preprocessor: Preprocessor) -> None:
    path = write_coded(
        tmp_path / "long.mp4",
        [number * 2.0 for number in range(3600)],
        options={"preset": "ultrafast", "g": "25"},
    )
    with pytest.raises(MediaTooLong, match=r"7[12]\d\d\.\d s; at most 600"):
        bundle_of(preprocessor, path, WHOLE)
    patient = Preprocessor(Settings(max_duration_s=8000.0))
    wide = Recipe(inputs=(Image(size=160),), sampling=Sampling(max_frames=8))
    bundle = bundle_of(patient, path, wide)
    patient.close()
    assert bundle.metadata.media.duration_s == pytest.approx(7200.0, abs=2.1)
    moments = [frame.t for frame in bundle.metadata.frames]
    # Of a long video key frames are taken, here one in 50 s.
    assert moments == pytest.approx([(place + 0.5) * 7198 / 8 for place in range(8)], abs=50.0)
    (pictures,) = bundle.tensors.values()
    numbers = [read_code(np.asarray(Pillow.fromarray(picture).resize((160, 48)))) for picture in pictures]
    assert numbers == [frame.index % 1024 for frame in bundle.metadata.frames]


@pytest.mark.parametrize(
    "save",
    [
        lambda picture, body: picture.save(body, "JPEG", progressive=True),
        lambda picture, body: picture.save(body, "TIFF", compression="tiff_lzw"),
        lambda picture, body: picture.save(body, "WEBP", lossless=True),
        lambda picture, body: picture.quantize(64).save(body, "BMP"),
        lambda picture, body: picture.quantize(64).save(body, "TIFF"),
        lambda picture, body: picture.convert("CMYK").save(body, "JPEG", quality=95),
        lambda picture, body: picture.convert("RGBA").save(body, "WEBP", lossless=True),
        lambda picture, body: picture.convert("LAB").save(body, "TIFF"),
        lambda picture, body: picture.convert("YCbCr").save(body, "TIFF"),
        lambda picture, body: body.write(deep_png(np.asarray(picture))),
    ],
    ids=["progressive", "lzw", "webp", "bmp-p", "tiff-p", "cmyk", "webp-a", "lab", "ycbcr", "png-48"],
)
def test_a_still_in_any_layout_has_its_colours_and_its_face(
    preprocessor: Preprocessor, save: Callable[[Pillow.Image, io.BytesIO], None]
) -> None:
    body = io.BytesIO()
    save(Pillow.fromarray(clips.portrait()), body)
    both = Recipe(inputs=(FaceCrop(size=64), Image(size=512)))
    bundle = bundle_of(preprocessor, body.getvalue(), both)
    assert bundle.metadata.missing == ()
    shown = bundle.tensors[both.inputs[1].key()][0].astype(int)
    assert np.abs(shown - clips.portrait()).mean() <= 8.0


def deep_png(picture: clips.Picture) -> bytes:
    """The picture with 16 bits a channel."""
    encoder = av.CodecContext.create("png", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt, encoder.time_base = "rgb48be", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="rgb48be")
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode()])
