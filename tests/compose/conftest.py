"""One stack for all tests of this folder, on a real engine. `make test-compose` runs them; `make test` does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.compose.engine import ROOT, Engine, running_engine
from tests.compose.stack import ComposeStack, prepared_stack


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine."""
    with running_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def prepared(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """Images built, nothing started."""
    started = time.monotonic()
    with prepared_stack(engine, tmp_path_factory.mktemp("house")) as stack:
        print(f"\nimages built in {time.monotonic() - started:.0f} s", flush=True)
        yield stack


@pytest.fixture(scope="session")
def stack(prepared: ComposeStack) -> ComposeStack:
    """Everything up and healthy."""
    started = time.monotonic()
    prepared.up()
    print(f"\nfrom nothing to healthy in {time.monotonic() - started:.1f} s", flush=True)
    prepared.wait_until_healthy()
    print(prepared.compose("ps", "--format", "table {{.Service}}\t{{.Status}}\t{{.Ports}}"), flush=True)
    return prepared


@pytest.fixture
def client(stack: ComposeStack) -> Iterator[httpx.Client]:
    """The first client, at the public door."""
    with stack.client(key=stack.key("telltale_api_key")) as client:
        yield client


@pytest.fixture(scope="session")
def clip() -> Path:
    """A real clip: the genuine one of the samples."""
    path = ROOT / ".cache/samples/genuine.mp4"
    if not path.exists():
        pytest.skip("the sample media are missing: make setup")
    return path
