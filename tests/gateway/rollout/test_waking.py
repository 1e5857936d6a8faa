"""A gateway that stood still does not go by what it knew before."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_gateway.analysis.analyzer import Analyzer
from telltale_gateway.analysis.options import AnalysisOptions
from telltale_gateway.rollout import Dispatcher, DispatchFailed, Mirror, Usage
from telltale_gateway.rollout.waking import Waking
from telltale_gateway.serving import ModelCall, Versions

from tests.gateway.rollout.looping import PATIENCE_S, Looping, looping
from tests.gateway.rollout.servers import ToyFaceInMemory

pytestmark = pytest.mark.anyio

SILENT_S = 0.5


class Unrevivable(ToyFaceInMemory):
    """What it does not answer it does not answer when it is loaded again either."""

    async def revive(self, model: str, versions: Versions) -> None:
        """It is as before."""


def dispatcher(gateway: Looping) -> Dispatcher:
    return Dispatcher(gateway.loop.deployed, Mirror(Usage(), 4), gateway.watches, gateway.loop.awake)


@pytest.mark.parametrize("noticed", [True, False])
async def test_a_request_after_a_sleep_is_answered_by_the_version_that_took_over_meanwhile(
    toy_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noticed: bool
) -> None:
    home = shutil.copytree(toy_repository / "toy-face", tmp_path / "model-repository/toy-face")
    server = Unrevivable()
    async with looping(home.parent, server) as gateway:
        gateway.put(2)
        await gateway.until(lambda: gateway.ready() and gateway.passed(2))
        before = gateway.now()
        assert before.release is not None
        monkeypatch.setattr(gateway.loop._waking, "_silent_s", SILENT_S if noticed else 3600.0)
        await gateway.rounds(2)
        # The whole process stands still, and the others go on.
        (home / "rollout.yaml").write_text("live: 2\nprevious: 1\n")
        server.failing = {1}
        time.sleep(SILENT_S * 1.5)  # noqa: ASYNC251 this is the sleep
        asked = dispatcher(gateway).ask(before, before.release.golden[:1], 1.0)
        if noticed:
            answered = await asked
            assert (answered.deployed.version, answered.instead_of) == (2, 1)
        else:
            with pytest.raises(DispatchFailed):
                await asked


async def test_who_waits_goes_on_once_every_server_was_looked_at_since() -> None:
    waking = Waking(["triton", "tfserving"], silent_s=0.0)
    old = time.monotonic()
    waiting = asyncio.create_task(waking.wait())
    await asyncio.sleep(0)
    waking._silent_s = 3600.0
    waking.looked("triton", old - 1.0)
    waking.looked("tfserving", time.monotonic())
    await asyncio.sleep(0)
    assert not waiting.done()
    waking.looked("triton", time.monotonic())
    await waiting
    await waking.wait()


async def test_a_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_gateway.rollout.waking._AT_MOST_S", 0.01)
    waking = Waking(["triton", "tfserving"], silent_s=0.0)
    await asyncio.sleep(0.001)
    waiting = asyncio.create_task(waking.wait())
    await asyncio.sleep(0)
    waking._silent_s = 3600.0
    waking.looked("tfserving", time.monotonic())
    assert not waiting.done()
    async with asyncio.timeout(PATIENCE_S):
        await waiting
    # That it was not waited for any longer does not mean that it was looked at: the next one waits as well.
    waiting = asyncio.create_task(waking.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    waking.looked("triton", time.monotonic())
    # Long before its time is up.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiting.done()


async def test_a_sleep_in_the_middle_of_a_round_is_noticed() -> None:
    waking = Waking(["triton"], silent_s=0.0)
    began = waking.round_begins()
    waking._heard_at -= 1.0
    waking.is_heard()
    waking._silent_s = 3600.0
    assert waking.slept_since(began)
    waking.looked("triton", began)
    assert not waking._caught_up.is_set()
    waking.looked("triton", waking.round_begins())
    assert waking._caught_up.is_set()


class Held(Unrevivable):
    """Keeps who asks it waiting while ``go`` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.go.set()
        self.waited_for = asyncio.Event()

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        if not self.go.is_set():
            self.waited_for.set()
        await self.go.wait()
        return await super().infer(call, batch)


async def test_what_a_round_found_that_began_before_a_sleep_is_told_nobody(
    toy_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(toy_repository / "toy-face", tmp_path / "model-repository/toy-face")
    server = Held()
    async with looping(home.parent, server) as gateway:
        gateway.put(2)
        await gateway.until(lambda: gateway.ready() and gateway.passed(2))
        monkeypatch.setattr(gateway.loop._waking, "_silent_s", SILENT_S)
        server.go.clear()
        await server.waited_for.wait()
        (home / "rollout.yaml").write_text("live: 2\nprevious: 1\n")
        server.failing = {1}
        time.sleep(SILENT_S * 1.5)  # noqa: ASYNC251 this is the sleep
        server.go.set()
        await gateway.until(lambda: gateway.now().version == 2 or not gateway.ready())
        assert (gateway.now().version, gateway.ready()) == (2, True)


class Reached(Exception):
    """Preprocessing was asked, so there is a detector that can answer."""


class NoPreprocessing:
    async def bundle(self, *_: object) -> None:
        raise Reached


class NoMedia:
    async def sha256(self) -> str:
        return ""


async def test_which_detectors_can_answer_is_judged_once_a_gateway_that_slept_knows(
    toy_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(toy_repository / "toy-face", tmp_path / "model-repository/toy-face")
    server = Unrevivable()
    async with looping(home.parent, server) as gateway:
        await gateway.until(gateway.ready)
        server.failing = {1}
        await gateway.until(lambda: not gateway.ready())
        analyzer = Analyzer(
            gateway.loop,
            dispatcher(gateway),
            cast("Any", NoPreprocessing()),
            cast("Any", None),
            deadline_s=20.0,
            inference_timeout_s=1.0,
            explain_timeout_s=1.0,
            concurrent=1,
        )
        monkeypatch.setattr(gateway.loop._waking, "_silent_s", SILENT_S)
        await gateway.rounds(2)
        time.sleep(SILENT_S * 1.5)  # noqa: ASYNC251 this is the sleep
        server.failing = set()
        with pytest.raises(Reached):
            await analyzer.study(cast("Any", NoMedia()), AnalysisOptions(), request_id="1")
