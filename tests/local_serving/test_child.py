"""One server that is kept running."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import telltale_gateway
from telltale_local import CannotStart
from telltale_local._child import Child, ChildSpec, Probe
from telltale_local._layout import Layout, Unsupervised
from telltale_local._own_services import gateway_child
from telltale_local._scratch import Scratch
from telltale_local._stack import Plan, Stack

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


async def test_one_that_will_not_end_is_killed(tmp_path: Path) -> None:
    command, ready = touching("trap '' TERM; while :; do sleep 1; done", tmp_path / "flag")
    child = Child(ChildSpec("stubborn", command, ready, grace_s=0.2), tmp_path / "log", lambda _: None)
    await child.start()
    process = psutil.Process(child.pid)

    await child.stop()

    assert not process.is_running()


def test_the_gateway_has_longer_than_it_lets_its_requests_finish(tmp_path: Path) -> None:
    drain = re.search(
        r'"--drain", type=int, default=(\d+)', Path(telltale_gateway.__file__).with_name("__main__.py").read_text()
    )
    assert drain is not None
    spec = gateway_child(Layout.of_this_checkout(), Scratch(tmp_path), "127.0.0.1", 1, {})
    assert spec.grace_s > float(drain[1])


async def test_a_fault_of_the_supervisor_is_reported_and_stopping_still_works(tmp_path: Path) -> None:
    command, ready = touching("sleep 1000", tmp_path / "flag")
    starts: list[None] = []

    def full_disk() -> None:
        starts.append(None)
        if len(starts) > 1:
            raise RuntimeError("no space left")

    faults: list[str] = []
    child = Child(
        ChildSpec("server", command, ready, before_start=full_disk), tmp_path / "log", lambda _: None, faults.append
    )
    await child.start()
    assert child.pid is not None

    os.kill(child.pid, signal.SIGKILL)
    await until(lambda: bool(faults), "nobody was told")
    await child.stop()

    assert faults == ["server is no longer supervised: RuntimeError: no space left"]


@pytest.mark.parametrize("suppressing", [False, True])
async def test_a_stack_that_cannot_supervise_stops_with_the_reason(suppressing: bool, toy_repository: Path) -> None:
    layout = Layout.of_this_checkout(toy_repository)

    async def serve() -> None:
        async with Stack(layout, Plan(parts=frozenset())) as stack:
            asyncio.get_running_loop().call_soon(stack._give_up, "it is no longer supervised")
            with suppress(*[asyncio.CancelledError] * suppressing):
                await asyncio.Event().wait()

    with pytest.raises(Unsupervised, match="no longer supervised"):
        await asyncio.create_task(serve())
