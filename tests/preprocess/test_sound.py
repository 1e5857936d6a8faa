"""Sound: its length, its level, its segments; and what is sound although a picture is attached."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow
from telltale_contracts import Image, Recipe, Waveform
from telltale_preprocess.errors import MediaTooLong, RecipeTooLarge
from telltale_preprocess.features.segments import cut_segments, segment_starts
from telltale_preprocess.media.container import open_container
from telltale_preprocess.media.sound import decode_sound
from telltale_preprocess.media.timeline import read_times
from telltale_preprocess.pipeline import Preprocessor
from telltale_preprocess.settings import Settings

from tests import clips


def write_sound(path: Path, channels: np.ndarray, rate: int, codec: str) -> Path:
    """A sound file of one or two channels; ``channels`` is float32 [channels, samples]."""
    layout = "mono" if len(channels) == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = layout
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels, dtype=np.float32), "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.wav", "pcm_s16le", 16_000),
        ("a.wav", "pcm_f32le", 8_000),
        ("a.flac", "flac", 44_100),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.m4a", "aac", 48_000),
        ("a.ogg", "libopus", 48_000),
    ],
)
def test_level_and_length_survive_every_codec_and_rate(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    path = write_sound(tmp_path / name, clips.tone(2.0, rate)[None], rate, codec)
    with path.open("rb") as file:
        sounds = decode_sound(file, [16_000, 24_000], max_seconds=10.0)
    for asked, sound in sounds.items():
        assert sound.dtype == np.float32
        assert len(sound) / asked == pytest.approx(2.0, abs=0.08)
        middle = sound[asked // 2 : -asked // 2]
        assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("samples", [28_800, 29_000, 48_000])
def test_a_vorbis_ends_where_its_last_page_says(tmp_path: Path, samples: int) -> None:
    sound = np.zeros((2, samples), dtype=np.float32)
    with av.open(str(tmp_path / "a.ogg"), "w") as container:
        stream = container.add_stream("vorbis", rate=48_000, options={"strict": "-2"})
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(sound, "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with (tmp_path / "a.ogg").open("rb") as file, open_container(file) as opened:
        seconds = read_times(opened, 600.0).duration_s
    assert seconds == pytest.approx(samples / 48_000, abs=0.03)


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le"])
def test_channels_are_averaged_whatever_the_sample_format(tmp_path: Path, codec: str) -> None:
    left = clips.tone(1.0) * 3
    path = write_sound(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)]), 16_000, codec)
    with path.open("rb") as file:
        sound = decode_sound(file, [16_000], max_seconds=10.0)[16_000]
    np.testing.assert_allclose(sound, left / 2, atol=1e-3)


def test_a_cover_picture_makes_no_video(tmp_path: Path, preprocessor: Preprocessor, voice: clips.Sound) -> None:
    plain = write_sound(tmp_path / "plain.mp3", voice[None], 16_000, "libmp3lame").read_bytes()
    cover = io.BytesIO()
    Pillow.fromarray(clips.portrait()).save(cover, "JPEG")
    picture = b"\0image/jpeg\0\3\0" + cover.getvalue()
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    tagged = io.BytesIO(b"ID3\3\0\0" + size + frame + plain)
    with av.open(tagged) as container:
        assert len(container.streams.video) == 1
    recipe = Recipe(inputs=(Image(size=64), Waveform(samples=16_000)))
    metadata = preprocessor.preprocess(tagged, recipe).metadata
    assert metadata.media.kind == "audio"
    assert metadata.media.video_codec is None
    assert [missing.reason for missing in metadata.missing] == ["no_picture"]


def shifted_clip(path: Path, voice_at: float, *, gap: tuple[float, float] | None = None) -> Path:
    """Two seconds of picture; a tone of two seconds that starts at ``voice_at`` and is missing between ``gap``."""
    rate, block = 16_000, 1024
    pcm = clips.tone(2.0, rate)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=rate)
        audio.layout = "mono"
        for index in range(50):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), index, np.uint8), "rgb24")
            picture.pts, picture.time_base = index + 25, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode())
        for start in range(0, len(pcm), block):
            if gap is not None and gap[0] <= start / rate < gap[1]:
                continue
            part = np.round(pcm[start : start + block] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(part[None], "s16", "mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + round((1.0 + voice_at) * rate)
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def loud(sound: np.ndarray, begin: float, end: float, rate: int) -> bool:
    """Whether there is a tone between two seconds."""
    return bool(np.abs(sound[round(begin * rate) : round(end * rate)]).max() > 0.2)


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_sound_lies_on_the_clock_of_the_picture(tmp_path: Path, rate: int) -> None:
    with shifted_clip(tmp_path / "late.mkv", 1.0).open("rb") as file:
        late = decode_sound(file, [rate], max_seconds=10.0, origin=1.0)[rate]
    assert len(late) / rate == pytest.approx(3.0, abs=0.02)
    assert not loud(late, 0.0, 0.97, rate)
    assert loud(late, 1.0, 1.05, rate)

    with shifted_clip(tmp_path / "early.mkv", -0.5).open("rb") as file:
        early = decode_sound(file, [rate], max_seconds=10.0, origin=1.0)[rate]
    assert len(early) / rate == pytest.approx(1.5, abs=0.02)

    with shifted_clip(tmp_path / "gap.mkv", 0.0, gap=(0.5, 1.2)).open("rb") as file:
        gap = decode_sound(file, [rate], max_seconds=10.0, origin=1.0)[rate]
    assert len(gap) / rate == pytest.approx(2.0, abs=0.02)
    assert loud(gap, 0.4, 0.5, rate)
    assert not loud(gap, 0.6, 1.15, rate)
    assert loud(gap, 1.3, 1.4, rate)

    with (tmp_path / "late.mkv").open("rb") as file:
        alone = decode_sound(file, [rate], max_seconds=10.0)[rate]
    assert len(alone) / rate == pytest.approx(2.0, abs=0.02)


def test_a_start_or_a_gap_beyond_the_limit_is_too_long(tmp_path: Path) -> None:
    with shifted_clip(tmp_path / "late.mkv", 1.0).open("rb") as file, pytest.raises(MediaTooLong):
        decode_sound(file, [16_000], max_seconds=2.5, origin=1.0)


def test_sound_counts_towards_the_largest_bundle(
    tmp_path: Path, settings: Settings, preprocessor: Preprocessor, voice: clips.Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clips.write_wav(tmp_path / "voice.wav", voice)
    monkeypatch.setattr(preprocessor, "_settings", settings.model_copy(update={"max_bundle_bytes": 100_000}))
    with path.open("rb") as file, pytest.raises(RecipeTooLarge, match=r"at most 0\.1 MB"):
        preprocessor.preprocess(file, Recipe(inputs=(Waveform(samples=32_000),)))


@pytest.mark.parametrize(
    ("total", "overlap", "expected"),
    [
        (500, 0.0, [0]),
        (1000, 0.0, [0]),
        (1499, 0.0, [0]),
        (1500, 0.0, [0, 500]),
        (3000, 0.0, [0, 1000, 2000]),
        (2000, 0.5, [0, 500, 1000]),
        (2300, 0.5, [0, 500, 1000, 1300]),
    ],
)
def test_segments_cover_the_sound(total: int, overlap: float, expected: list[int]) -> None:
    spec = Waveform(samples=1000, overlap=overlap)
    assert segment_starts(total, spec).tolist() == expected


def test_too_many_segments_are_thinned_evenly() -> None:
    starts = segment_starts(100_000, Waveform(samples=1000, max_segments=5))
    assert starts.tolist() == [0, 25_000, 50_000, 74_000, 99_000]


def test_a_short_sound_is_filled_as_asked() -> None:
    sound = np.arange(1, 401, dtype=np.float32)
    start = np.zeros(1, dtype=np.int64)
    repeated = cut_segments(sound, start, Waveform(samples=1000))[0]
    np.testing.assert_array_equal(repeated, np.concatenate([sound, sound, sound[:200]]))
    silent = cut_segments(sound, start, Waveform(samples=1000, pad="zero"))[0]
    np.testing.assert_array_equal(silent, np.concatenate([sound, np.zeros(600, np.float32)]))
