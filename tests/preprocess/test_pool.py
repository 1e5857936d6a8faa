"""Workers that are killed, hang, or run out of something: the request is told, neighbours and the next are served."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from telltale_contracts import Recipe, Sampling, TensorBundle
from telltale_preprocess.errors import (
    Busy,
    DecodeTimeout,
    MediaTooDemanding,
    PreprocessError,
    WorkersLost,
)
from telltale_preprocess.settings import Settings
from telltale_preprocess.workers.messages import Answer, Job
from telltale_preprocess.workers.pool import WorkerPool
from telltale_preprocess.workers.process import WorkerDied

from tests import clips
from tests.preprocess.coded import steady, write_coded
from tests.preprocess.service import FACES, running_service


@asynccontextmanager
async def running_pool(lost: list[str], **changes: float) -> AsyncIterator[WorkerPool]:
    """A pool, ended afterwards."""
    pool = WorkerPool(Settings().model_copy(update={"workers": 1} | changes), on_restart=lost.append)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def portrait_job() -> Job:
    """A job that succeeds."""
    return Job(path=str(clips.PORTRAIT), recipe=FACES)


@pytest.fixture
def endless(tmp_path: Path) -> Job:
    """A job that never ends: nobody ever writes to the pipe that it reads."""
    os.mkfifo(tmp_path / "pipe")
    return Job(path=str(tmp_path / "pipe"), recipe=FACES)


async def kill_each_worker(pool: WorkerPool, times: int, number: signal.Signals = signal.SIGKILL) -> None:
    """End the pool's only worker by a signal, and so many of its successors, each once it works."""
    killed: set[int] = set()
    while len(killed) < times:
        for pid in set(pool.pids) - killed:
            await asyncio.sleep(0.3)
            if pid in pool.pids:
                os.kill(pid, number)
                killed.add(pid)
        await asyncio.sleep(0.01)


def test_a_hanging_job_ends_and_the_next_is_served(endless: Job) -> None:
    async def scenario() -> None:
        lost: list[str] = []
        async with running_pool(lost, max_wall_s=0.5) as pool:
            (before,) = pool.pids
            with pytest.raises(DecodeTimeout):
                await pool.run(endless)
            answer = await pool.run(portrait_job())
            assert TensorBundle.from_bytes(answer.bundle).tensors
            assert lost == ["timeout"]
            assert before not in pool.pids
            assert not psutil.pid_exists(before)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (signal.SIGKILL, 503, "workers_lost"),
        (signal.SIGTERM, 503, "workers_lost"),
        (signal.SIGSEGV, 422, "media_crashed_decoder"),
        (signal.SIGABRT, 422, "media_crashed_decoder"),
        (signal.SIGXCPU, 422, "media_crashed_decoder"),
    ],
)
def test_a_job_whose_workers_keep_dying_is_given_up(
    endless: Job, number: signal.Signals, status: int, code: str
) -> None:
    async def scenario() -> None:
        lost: list[str] = []
        async with running_pool(lost) as pool:
            killer = asyncio.create_task(kill_each_worker(pool, 2, number))
            with pytest.raises(PreprocessError) as raised:
                await pool.run(endless)
            assert (raised.value.status, raised.value.code) == (status, code)
            await killer
            await pool.run(portrait_job())
            assert lost == ["died", "died"]

    asyncio.run(scenario())


def test_a_job_that_never_reached_a_dead_worker_has_its_attempts_left(endless: Job) -> None:
    async def scenario() -> None:
        lost: list[str] = []
        async with running_pool(lost) as pool:
            (idle,) = pool.pids
            os.kill(idle, signal.SIGKILL)
            # Not awaited: the pool must not have noticed yet.
            os.waitid(os.P_PID, idle, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222
            killer = asyncio.create_task(kill_each_worker(pool, 2))
            with pytest.raises(WorkersLost):
                await pool.run(endless)
            await killer
            assert lost == ["died"] * 3

    asyncio.run(scenario())


def test_a_worker_killed_while_idle_is_replaced_unasked() -> None:
    async def scenario() -> None:
        lost: list[str] = []
        async with running_pool(lost) as pool:
            (before,) = pool.pids
            os.kill(before, signal.SIGKILL)
            await eventually(lambda: len(pool.pids) == 1 and before not in pool.pids)
            assert lost == ["died"]
            await pool.run(portrait_job())

    asyncio.run(scenario())


def test_a_full_queue_is_busy_and_a_waiting_job_gives_up_in_time(endless: Job) -> None:
    async def scenario() -> None:
        async with running_pool([], max_queue=1, max_queue_wait_s=0.6) as pool:
            working = asyncio.create_task(pool.run(endless))
            await asyncio.sleep(0.05)
            waiting = asyncio.create_task(pool.run(endless))
            await eventually(lambda: pool.waiting == 1)
            with pytest.raises(Busy, match="1 requests wait"):
                await pool.run(portrait_job())
            with pytest.raises(Busy, match="No worker became free"):
                await waiting
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
            await eventually(lambda: len(pool.pids) == 1)
            await pool.run(portrait_job())

    asyncio.run(scenario())


def test_a_picture_that_needs_too_much_memory_is_refused_and_its_worker_replaced(tmp_path: Path) -> None:
    async def scenario() -> None:
        big = clips.write_picture(tmp_path / "big.png", clips.meadow(3000, 4000))
        async with running_pool([], max_memory_bytes=20_000_000) as pool:
            (before,) = pool.pids
            with pytest.raises(MediaTooDemanding):
                await pool.run(Job(path=str(big), recipe=FACES))
            await eventually(lambda: len(pool.pids) == 1 and before not in pool.pids)

    asyncio.run(scenario())


def test_a_worker_that_ran_out_of_memory_is_given_no_job_of_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        big = Job(path=str(clips.write_picture(tmp_path / "big.png", clips.meadow(3000, 4000))), recipe=FACES)
        lost: list[str] = []
        async with running_pool(lost, max_memory_bytes=20_000_000, max_queue=8) as pool:
            jobs = [pool.run(job) for job in (big, portrait_job(), big, portrait_job(), big, portrait_job())]
            answers = await asyncio.gather(*jobs, return_exceptions=True)
        assert [type(answer) for answer in answers] == [MediaTooDemanding, Answer] * 3
        assert lost == ["memory"] * 3

    asyncio.run(scenario())


def test_cpu_time_is_limited(tmp_path: Path) -> None:
    async def scenario() -> None:
        clip = write_coded(tmp_path / "busy.mp4", steady(512), options={"preset": "ultrafast"})
        slow = Recipe(inputs=FACES.inputs, sampling=Sampling(max_frames=512))
        async with running_pool([], max_cpu_s=0.05) as pool:
            with pytest.raises(PreprocessError) as caught:
                await pool.run(Job(path=str(clip), recipe=slow))
            assert caught.value.code == "media_crashed_decoder"

    asyncio.run(scenario())


def test_a_service_without_its_models_does_not_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        pool = WorkerPool(Settings().model_copy(update={"assets": tmp_path}), on_restart=[].append)
        with pytest.raises(WorkerDied):
            await pool.start()
        await pool.close()

    asyncio.run(scenario())


async def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for a condition."""
    for _ in range(round(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"it did not happen in {seconds:g} s")


def test_workers_killed_under_load_lose_no_request_and_no_worker_outlives_the_service() -> None:
    with running_service(TELLTALE_PREPROCESS_WORKERS="2") as service:
        service.wait_healthy(2)
        stop = threading.Event()

        def client() -> list[int]:
            statuses = []
            while not stop.is_set():
                statuses.append(service.post(clips.PORTRAIT).status_code)
            return statuses

        with ThreadPoolExecutor(3) as threads:
            clients = [threads.submit(client) for _ in range(3)]
            try:
                time.sleep(0.3)
                service.workers()[0].kill()
                time.sleep(0.3)
                # The new worker warms up beside three clients that never pause.
                service.wait_healthy(2, 150.0)
            finally:
                stop.set()
            statuses = [status for each in clients for status in each.result()]
        assert set(statuses) == {200}
        assert 'worker_restarts_total{reason="died"} 1.0' in service.client.get("/metrics").text
        orphans = service.workers()
        assert len(orphans) == 2
        service.process.kill()
        gone, alive = psutil.wait_procs(orphans, timeout=10.0)
        assert (len(gone), alive) == (2, [])
