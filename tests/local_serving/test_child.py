"""One server that is kept running."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from telltale_local import CannotStart
from telltale_local._child import Child, ChildSpec, Probe

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def touching(script: str, flag: Path) -> tuple[tuple[str, ...], Probe]:
    """A shell script that says through a file that it is ready."""

    async def ready() -> bool:
        return os.path.exists(flag)  # noqa: ASYNC240, PTH110 a moment

    return ("sh", "-c", f"touch {flag}; {script}"), ready


async def never() -> bool:
    return False


async def until(condition: Callable[[], bool], otherwise: str) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail(otherwise)


async def test_one_that_ends_before_it_answers_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    spec = ChildSpec("broken", ("sh", "-c", "echo starting; echo no such device >&2; exit 3"), never)
    child = Child(spec, tmp_path / "log", lambda _: None)

    with pytest.raises(CannotStart, match=r"(?s)broken ended with exit status 3 .*starting\n *no such device"):
        await child.start()
    await child.stop()


async def test_one_that_is_not_there_is_named() -> None:
    child = Child(ChildSpec("absent", ("/nowhere/server",), never), None, lambda _: None)

    with pytest.raises(CannotStart, match=r"absent cannot be started: .*/nowhere/server"):
        await child.start()
    await child.stop()


async def test_one_that_dies_is_started_again_and_its_workers_do_not_stay(tmp_path: Path) -> None:
    command, ready = touching(f"sleep 1000 & echo $! >> {tmp_path}/workers; sleep 1000", tmp_path / "flag")
    announced: list[str] = []
    child = Child(ChildSpec("server", command, ready), tmp_path / "log", announced.append)
    await child.start()
    first = child.pid
    assert first is not None
    workers = tmp_path / "workers"
    await until(workers.exists, "no worker was started")
    worker = psutil.Process(int(workers.read_text()))

    os.kill(first, signal.SIGKILL)
    await until(lambda: child.pid not in {first, None}, "it was not started again")

    second = child.pid
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    await child.stop()
    assert child.pid is None
    assert announced == [f"+group {first}", f"-group {first}", f"+group {second}", f"-group {second}"]


async def test_one_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_local._child.GRACE_S", 0.2)
    command, ready = touching("trap '' TERM; while :; do sleep 1; done", tmp_path / "flag")
    child = Child(ChildSpec("stubborn", command, ready), tmp_path / "log", lambda _: None)
    await child.start()
    process = psutil.Process(child.pid)

    await child.stop()

    assert not process.is_running()
