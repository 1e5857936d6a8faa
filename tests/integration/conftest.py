"""One stack for the tests that leave it as they found it, and media for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import clips, speech
from tests.integration.stack import RunningStack


@pytest.fixture(scope="session")
def stack(toy_stack: RunningStack) -> RunningStack:
    return toy_stack


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files by what they show."""
    folder = tmp_path_factory.mktemp("media")
    voice = speech.say("The quick brown fox jumps over the lazy dog, and nobody in the whole wide field is surprised.")
    return {
        "face": clips.write_video(folder / "face.mp4", clips.portrait()),
        "face and voice": clips.write_video(folder / "talking.mp4", clips.portrait(), sound=voice),
        "voice alone in a meadow": clips.write_video(folder / "narrated.mp4", clips.meadow(), sound=voice),
        "meadow": clips.write_video(folder / "meadow.mp4", clips.meadow()),
        "voice": clips.write_wav(folder / "voice.wav", voice),
        "tone": clips.write_wav(folder / "tone.wav", clips.tone()),
        "still": clips.write_picture(folder / "still.png", clips.portrait()),
    }
