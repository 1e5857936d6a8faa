"""What other clients of a server find by a label is what this gateway's own requests are given to."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_gateway.serving import ModelCall

from tests.gateway.rollout.looping import looping, put_beside
from tests.gateway.rollout.servers import ToyFaceInMemory

pytestmark = pytest.mark.anyio


class Waiting(ToyFaceInMemory):
    """Keeps what version 2 is asked until ``go``."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        answer = await super().infer(call, batch)
        if call.version == 2:
            await self.go.wait()
        return answer


async def test_a_canary_has_its_label_once_it_has_proven_itself_and_no_sooner(
    toy_repository: Path, tmp_path: Path
) -> None:
    repository, server = tmp_path / "model-repository", Waiting()
    shutil.copytree(toy_repository / "toy-face", repository / "toy-face")
    put_beside(repository / "toy-face", 2)
    (repository / "toy-face/rollout.yaml").write_text("live: 1\ncanary: {version: 2, percent: 50}\n")
    async with looping(repository, server) as gateway:
        await gateway.until(lambda: 2 in server.asked)
        assert all("canary" not in told["toy-face"].labels for told in server.told if "toy-face" in told)
        server.go.set()
        await gateway.until(lambda: server.told[-1]["toy-face"].labels == {"stable": 1, "canary": 2})
