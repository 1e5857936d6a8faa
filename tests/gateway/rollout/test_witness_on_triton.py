"""The real tritonserver reads all of a model's versions again at each load, whatever their files' times say."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from telltale_gateway.serving import BackendError, ModelCall, Triton
from telltale_gateway.serving.triton_control import GrpcControl

from tests.gateway.rollout.looping import Looping, looping
from tests.local_serving.servers import running

pytestmark = pytest.mark.anyio


class Meddled(GrpcControl):
    """A channel over which loads go while somebody meddles with the files."""

    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None

    async def load(self, model: str, config: str, timeout_s: float) -> None:
        before, after, self.before, self.after = self.before, self.after, None, None
        if before is not None:
            before()
        try:
            await super().load(model, config, timeout_s)
        finally:
            if after is not None:
                after()


@asynccontextmanager
async def meddling(repository: Path, temporary: Path) -> AsyncIterator[tuple[Looping, Triton, Meddled]]:
    """A loop over a real Triton, both on a repository of their own."""
    with running("triton", repository, temporary) as servers:
        target = servers.environment["TELLTALE_TRITON_GRPC_TARGET"]
        url = servers.environment["TELLTALE_TRITON_URL"]
        triton = Triton(url, repository=repository, load_timeout_s=60.0, slots=4, control=target)
        await triton._control.close()
        triton._control = control = Meddled(target)
        try:
            async with looping(repository, triton) as gateway:
                await gateway.until(gateway.ready)
                yield gateway, triton, control
        finally:
            await triton.close()


async def test_a_live_version_that_was_other_while_another_was_loaded_never_answers_from_the_other_bytes(
    toy_repository: Path, toy_versions: Path, tmp_path: Path
) -> None:
    repository, temporary = tmp_path / "model-repository", tmp_path / "tmp"
    shutil.copytree(toy_repository / "toy-face", repository / "toy-face")
    temporary.mkdir()
    graph = repository / "toy-face/1/model.onnx"
    whole, times = graph.read_bytes(), graph.stat()

    def put(content: bytes) -> None:
        graph.write_bytes(content)
        os.utime(graph, ns=(times.st_atime_ns, times.st_mtime_ns))

    async with meddling(repository, temporary) as (gateway, triton, control):
        call = ModelCall("toy-face", 1, gateway.now().manifest.tensors, 10.0)

        async def score() -> float:
            return float((await triton.infer(call, np.full((1, 64, 64, 3), 51, np.uint8)))[0])

        assert await score() == pytest.approx(0.2, abs=1e-6)
        read: list[float] = []
        control.before = lambda: put((toy_versions / "toy-face/drifting/model.onnx").read_bytes())
        control.after = lambda: put(whole)
        gateway.put(2)
        # Times and bytes are as before when the load has ended, and what Triton has is not.
        while not (read and gateway.ready() and gateway.passed(2)):
            if not gateway.ready():
                try:
                    read.append(await score())
                except BackendError:
                    read.append(-1.0)
            await gateway.rounds(1)
        assert -1.0 in read or 0.8 in [round(each, 3) for each in read]
        assert await score() == pytest.approx(0.2, abs=1e-6)
        assert gateway.now().version == 1
