"""Servers for the tests that leave them as they found them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_serving.servers import Servers, running


@pytest.fixture(scope="package")
def servers(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """tritonserver and the TensorFlow Serving stand-in on the toys, with nothing loaded."""
    with running("triton,tfserving", toy_repository, tmp_path_factory.mktemp("servers")) as both:
        yield both
