"""Of a long sound only what is asked for is decoded, and it is the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from telltale_contracts import Waveform
from telltale_preprocess.errors import DamagedMedia
from telltale_preprocess.listening import Listener
from telltale_preprocess.media import stretches
from telltale_preprocess.media.container import open_container
from telltale_preprocess.media.sound import decode_sound
from telltale_preprocess.media.stretches import decode_stretches
from telltale_preprocess.media.timeline import read_times
from telltale_preprocess.settings import Settings
from telltale_preprocess.stopwatch import Stopwatch

from tests.clips import Sound
from tests.preprocess.sounds import write_sound
from tests.speech import say

SPANS = [(0.0, 0.96), (17.024, 19.2), (30.4, 31.36)]


def warble(seconds: float, rate: int) -> Sound:
    """A tone that rises and falls, so that no two moments are alike."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * (400 * t + 300 * np.sin(0.7 * t)))).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "tolerance"),
    [
        ("sound.wav", "pcm_s16le", 44_100, 1e-6),
        ("sound.m4a", "aac", 48_000, 1e-5),
        ("sound.m4a", "aac", 44_100, 1e-5),
        ("sound.mka", "flac", 32_000, 1e-6),
        ("sound.mp3", "libmp3lame", 44_100, 1e-5),
    ],
)
def test_stretches_are_the_samples_of_the_whole(
    tmp_path: Path, name: str, codec: str, rate: int, tolerance: float
) -> None:
    path = write_sound(tmp_path / name, warble(40.0, rate), rate, codec)
    with path.open("rb") as file:
        whole = decode_sound(file, [16_000, 24_000], max_seconds=60.0)
        found = decode_stretches(file, [16_000, 24_000], SPANS)
    for wanted, sound in whole.items():
        assert [each.start for each in found[wanted]] == [round(begin * wanted) for begin, _ in SPANS]
        for each, (begin, end) in zip(found[wanted], SPANS, strict=True):
            assert len(each.samples) == round(end * wanted) - round(begin * wanted)
            same = sound[each.start : each.start + len(each.samples)]
            assert np.abs(each.samples - same).max() < tolerance


def test_what_lies_beyond_the_end_is_silent(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "sound.wav", warble(2.0, 16_000), 16_000, "pcm_s16le")
    with path.open("rb") as file:
        (stretch,) = decode_stretches(file, [16_000], [(1.0, 4.0)])[16_000]
        assert np.abs(stretch.samples[:15_000]).max() > 0.1
        assert not stretch.samples[16_000:].any()
        with pytest.raises(DamagedMedia, match="no sample"):
            decode_stretches(file, [16_000], [(9.0, 10.0)])


def test_a_long_sound_gives_the_segments_of_the_whole_and_says_how_much_was_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = say("Somebody speaks, and goes on speaking, so that there is something to hear at any moment.")
    path = write_sound(tmp_path / "sound.mka", np.resize(sentence, 200 * 16_000), 16_000, "flac")
    spec = Waveform(samples=16_000, max_segments=8)
    listener = Listener(Settings())
    with path.open("rb") as file:
        with open_container(file) as container:
            seconds = read_times(container, 600.0).sound_s
        assert seconds == pytest.approx(200.0, abs=0.2)
        heard = listener.listen(file, seconds, [spec], Stopwatch())
        monkeypatch.setattr("telltale_preprocess.listening._LONG_S", 1e9)
        whole = listener.listen(file, seconds, [spec], Stopwatch())
    assert whole.facts.heard_s is None
    assert heard.facts.heard_s == pytest.approx(8.0, abs=0.6)
    assert heard.facts.duration_s == pytest.approx(whole.facts.duration_s, abs=0.2)
    some, every = heard.segments[spec.key()], whole.segments[spec.key()]
    # The last one ends with the sound, of which the tenth of a second that containers round away is left out.
    assert [each.start for each in some] == pytest.approx([each.start for each in every], abs=0.2)
    assert [each.start for each in some[:-1]] == [each.start for each in every[:-1]]
    assert np.mean([each.speech for each in some]) > 0.7
    assert np.abs(heard.tensors[spec.key()][:-1] - whole.tensors[spec.key()][:-1]).max() < 1e-5


def test_between_far_stretches_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sound(tmp_path / "sound.m4a", warble(120.0, 16_000), 16_000, "aac")
    decoded: list[float] = []

    def counted(*arguments: object) -> object:
        for moment, frame in frames(*arguments):  # type: ignore[arg-type]
            decoded.append(frame.samples / frame.sample_rate)
            yield moment, frame

    frames = stretches.sound_frames
    monkeypatch.setattr(stretches, "sound_frames", counted)
    with path.open("rb") as file:
        decode_stretches(file, [16_000], [(0.0, 1.024), (60.032, 61.024), (110.016, 111.04)])
    assert sum(decoded) < 8.0
