"""One stack of toys and media for all views."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import clips, speech
from tests.integration.stack import RunningStack, running_stack


@pytest.fixture(scope="package")
def stack(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(toy_repository, tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="package")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files by what they show."""
    folder = tmp_path_factory.mktemp("media")
    voice = speech.say("The quick brown fox jumps over the lazy dog, and nobody in the whole wide field is surprised.")
    return {
        "talking": clips.write_video(folder / "talking.mp4", clips.portrait(), sound=voice),
        "meadow": clips.write_picture(folder / "meadow.png", clips.meadow()),
        "voice": clips.write_wav(folder / "voice.wav", voice),
        "still": clips.write_picture(folder / "still.png", clips.portrait()),
    }
