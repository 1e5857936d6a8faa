"""The samples: the same every time, a genuine clip and its twin, and a voice."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_export.__main__ import main
from telltale_export.errors import DataError
from telltale_export.faces import mesh
from telltale_export.faces.chips import CHIP
from telltale_export.samples.portrait import BOX, OUTLINE, forge, read_portrait

ROOT = Path(__file__).parents[3]
ASSETS = ROOT / ".cache/assets"
FILES = ("genuine.mp4", "forged.mp4", "portrait.png", "portrait-forged.png", "voice-synthetic.wav")


def _frames(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_all_are_there_and_come_out_the_same_again(samples: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in samples.iterdir()) == sorted(FILES)
    assert main(["samples", "--portrait", str(ASSETS / "astronaut.png"), "--to", str(tmp_path)]) == 0
    for name in FILES:
        assert (samples / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_the_clips_are_silent_twins_that_differ_in_the_face(samples: Path) -> None:
    with av.open(str(samples / "genuine.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        video = container.streams.video[0]
        assert (video.codec_context.name, video.width, video.height) == ("h264", 640, 480)
        assert float(video.average_rate) == 25.0
    genuine, forged = _frames(samples / "genuine.mp4"), _frames(samples / "forged.mp4")
    assert len(genuine) == len(forged) == 175

    differences = [np.abs(a.astype(int) - b).mean(axis=2) for a, b in zip(genuine[::25], forged[::25], strict=True)]

    for difference in differences:
        strong = difference > 12
        assert 0.005 < strong.mean() < 0.2
        for places in np.nonzero(strong):
            # All but a few pixels, which the codec moves elsewhere.
            assert np.subtract(*np.percentile(places, [99, 1])) < 300


def test_the_forged_portrait_differs_inside_the_outline_only() -> None:
    portrait = read_portrait(ASSETS / "astronaut.png")
    changed = (forge(portrait).forged != portrait).any(axis=2)

    x, y, width, height = BOX
    changed[y : y + height + 8, x : x + width] = False
    assert not changed.any()


def test_the_outline_is_the_mesh_s(points: NDArray[np.float32]) -> None:
    x, y, width, height = BOX
    middle = np.array([x + width / 2, y + height / 2])
    found = (points[list(mesh.OVAL)] - CHIP.size / 2) * CHIP.margin * max(width, height) / CHIP.size + middle

    assert np.abs(found - np.array(OUTLINE)).max() < 4.0


def test_the_voice_is_one_sentence_of_sound(samples: Path) -> None:
    with wave.open(str(samples / "voice-synthetic.wav")) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        seconds = sound.getnframes() / sound.getframerate()
        pcm = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    assert 4.0 < seconds < 15.0
    assert np.abs(pcm).max() > 5_000


def test_a_missing_portrait_or_voice_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["samples", "--portrait", str(tmp_path / "absent.png"), "--to", str(tmp_path)]) == 2
    assert "absent.png is not there" in capsys.readouterr().err

    other = tmp_path / "other.png"
    cv2.imwrite(str(other), np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(DataError, match="not the portrait"):
        read_portrait(other)

    options = ["--espeak", str(tmp_path), "--to", str(tmp_path / "samples")]
    assert main(["samples", "--portrait", str(ASSETS / "astronaut.png"), *options]) == 2
    assert "libespeak-ng" in capsys.readouterr().err
    assert list((tmp_path / "samples").iterdir()) == [], "it is missed before films are made"
