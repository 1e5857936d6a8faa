"""What a server says of its own state is held against no version."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_gateway.serving import BackendBusy, BackendDied, BackendRefused, ModelCall, Served, Triton, Wanted
from tritonclient.utils import InferenceServerException

from tests.gateway.rollout.looping import Looping, looping
from tests.gateway.rollout.servers import ToyFaceInMemory

pytestmark = pytest.mark.anyio


class Mortal(ToyFaceInMemory):
    """What runs a version in ``dead`` has died and is alive once the version was taken out and loaded again.

    A version in ``deadly`` kills it whenever it is asked; one in ``crowded`` finds no room.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dead: set[int] = set()
        self.deadly: set[int] = set()
        self.crowded: set[int] = set()

    async def serve(self, wanted: Mapping[str, Wanted]) -> Served:
        served = await super().serve(wanted)
        self.dead &= self.loaded.get("toy-face", frozenset())
        return served

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        scores = await super().infer(call, batch)
        if call.version in self.crowded:
            raise BackendBusy("no room")
        if call.version in self.deadly | self.dead:
            self.dead |= self.deadly & {call.version}
            raise BackendDied("stub process is not healthy")
        return scores


@pytest.fixture
def repository(toy_repository: Path, tmp_path: Path) -> Path:
    shutil.copytree(toy_repository / "toy-face", tmp_path / "model-repository/toy-face")
    return tmp_path / "model-repository"


def refused(gateway: Looping, version: int) -> bool:
    catalog = gateway.loop.catalog
    return catalog is not None and catalog.entries["toy-face"].history.refusal(version) is not None


@pytest.mark.parametrize("rollout", ["candidates: [2]", "canary: {version: 2, percent: 50}"])
async def test_a_version_beside_the_live_one_whose_process_died_is_loaded_again(repository: Path, rollout: str) -> None:
    server = Mortal()
    async with looping(repository, server) as gateway:
        gateway.put(2)
        (repository / "toy-face/rollout.yaml").write_text(f"live: 1\n{rollout}\n")
        await gateway.until(lambda: gateway.ready() and gateway.passed(2))
        server.told.clear()
        server.dead = {2}
        await gateway.until(lambda: not server.dead)
        await gateway.until(lambda: gateway.passed(2))
        # The live version is told to stay all the while.
        assert all(1 in told["toy-face"].versions for told in server.told)
        assert (gateway.now().version, gateway.ready(), refused(gateway, 2)) == (1, True, False)


async def test_a_version_that_kills_what_runs_it_is_refused(repository: Path) -> None:
    server = Mortal()
    server.deadly = {2}
    async with looping(repository, server) as gateway:
        await gateway.until(gateway.ready)
        gateway.put(2)
        await gateway.until(lambda: refused(gateway, 2))
        assert gateway.ready()


async def test_a_version_that_its_server_has_no_room_for_is_asked_again(repository: Path) -> None:
    server = Mortal()
    server.crowded = {2}
    async with looping(repository, server) as gateway:
        await gateway.until(gateway.ready)
        gateway.put(2)
        await gateway.until(lambda: server.asked.count(2) > 3)
        assert not refused(gateway, 2)
        server.crowded.clear()
        await gateway.until(lambda: gateway.passed(2))


@pytest.mark.parametrize(
    ("message", "status", "kind"),
    [
        ("Stub process 'toy-face_0_0' is not healthy.", "500", BackendDied),
        ("Failed to process the request(s): Stub process 'toy_0_0' is not healthy.", "500", BackendDied),
        ("Exceeds maximum queue size", "503", BackendBusy),
        ("Too many requests", "429", BackendBusy),
        ("unexpected shape for input", "400", BackendRefused),
        ("ValueError: it cannot be scored", "500", BackendRefused),
    ],
)
async def test_what_triton_says_of_its_state_is_told_from_what_it_says_of_a_version(
    message: str, status: str, kind: type[BackendRefused]
) -> None:
    triton = Triton("http://127.0.0.1:1", repository=Path(), load_timeout_s=1.0, slots=1)
    with pytest.raises(BackendRefused) as raised:
        async with triton._speaking("toy-face 2", timeout_s=1.0):
            raise InferenceServerException(message, status=status)
    assert type(raised.value) is kind
    await triton.close()
