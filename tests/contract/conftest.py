"""The stack of toys, and media for all views."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests import clips, speech
from tests.integration.stack import RunningStack


@pytest.fixture(scope="session")
def stack(toy_stack: RunningStack) -> RunningStack:
    return toy_stack


@pytest.fixture(scope="package")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files by what they show."""
    folder = tmp_path_factory.mktemp("media")
    voice = speech.say("The quick brown fox jumps over the lazy dog, and nobody in the whole wide field is surprised.")
    bright, dark = clips.portrait(), (0.35 * clips.portrait()).astype(np.uint8)
    return {
        "darkening": write_cut(folder / "darkening.mp4", bright, dark),
        "leaving": write_cut(folder / "leaving.mp4", dark, clips.meadow(512, 512), clips.meadow(512, 512), dark),
        "talking": clips.write_video(folder / "talking.mp4", clips.portrait(), sound=voice),
        "meadow": clips.write_picture(folder / "meadow.png", clips.meadow()),
        "voice": clips.write_wav(folder / "voice.wav", voice),
        "dark": clips.write_picture(folder / "dark.png", dark),
        "still": clips.write_picture(folder / "still.png", clips.portrait()),
    }


def write_cut(path: Path, *pictures: clips.Picture) -> Path:
    """A second of each picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 496, 496, "yuv420p"
        for picture in pictures:
            for place in range(25):
                moved = np.ascontiguousarray(picture[8:504, place % 16 : 496 + place % 16])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, "rgb24")))
        container.mux(stream.encode())
    return path
