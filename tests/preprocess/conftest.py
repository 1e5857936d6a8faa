"""The core in this process, and the service as it really runs, once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from telltale_preprocess.pipeline import Preprocessor
from telltale_preprocess.settings import Settings

from tests import clips, speech
from tests.preprocess.service import Service, running_service


@pytest.fixture(scope="session")
def settings() -> Settings:
    """As an operator finds them."""
    return Settings()


@pytest.fixture(scope="session")
def preprocessor(settings: Settings) -> Iterator[Preprocessor]:
    """The models, loaded once."""
    loaded = Preprocessor(settings)
    loaded.warm()
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service may leave temporary files, and nobody else does."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="session")
def service(scratch: Path) -> Iterator[Service]:
    """The service with two workers."""
    with running_service(TELLTALE_PREPROCESS_WORKERS="2", TMPDIR=str(scratch)) as running:
        yield running


@pytest.fixture(scope="session")
def voice() -> clips.Sound:
    """Some seconds of synthetic speech."""
    return speech.say("The quick brown fox jumps over the lazy dog, and nobody has ever asked it why it does so.")


@pytest.fixture(scope="session")
def talking_clip(tmp_path_factory: pytest.TempPathFactory, voice: clips.Sound) -> Path:
    """Two seconds of the portrait, with a voice."""
    return clips.write_video(tmp_path_factory.mktemp("clips") / "talking.mp4", clips.portrait(), sound=voice)
