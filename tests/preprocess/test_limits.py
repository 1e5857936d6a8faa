"""Each limit of a worker, struck for real over HTTP: its request is told, its neighbour's notices nothing."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from telltale_contracts import Image, Recipe, Sampling

from tests import clips
from tests.preprocess import bombs
from tests.preprocess.service import Service, problem_of, running_service

MEMORY = 600_000_000
# Five hundred frames of nine megapixels out of some kilobytes: half a minute of work within every limit of size.
LABORIOUS = Recipe(inputs=(Image(size=64),), sampling=Sampling(max_frames=500))


@pytest.fixture(scope="module")
def hurried() -> Iterator[Service]:
    """Two workers with eight seconds for a request: few for a hostile file, enough for its neighbour."""
    with running_service(TELLTALE_PREPROCESS_WORKERS="2", TELLTALE_PREPROCESS_MAX_WALL_S="8") as running:
        yield running


@pytest.fixture(scope="module")
def lean() -> Iterator[Service]:
    """Two workers with little memory."""
    with running_service(TELLTALE_PREPROCESS_WORKERS="2", TELLTALE_PREPROCESS_MAX_MEMORY_BYTES=str(MEMORY)) as running:
        yield running


@pytest.fixture(scope="module")
def laborious() -> bytes:
    """A file that keeps a worker busy for longer than it may be."""
    body = bombs.gif(6000, 6000, 500)
    assert len(body) < 2_000_000
    return body


def open_files(pid: int) -> set[str]:
    """Nameless files that a process has open, as the kernel calls them."""
    links = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    return {link for link in links if link.startswith(f"{tempfile.gettempdir()}/#")}


def busy_worker(service: Service) -> psutil.Process:
    """The worker that has an upload open, as the service has."""
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        # A worker may end while we look.
        with suppress(OSError):
            for worker in service.workers():
                if open_files(worker.pid) & open_files(service.process.pid):
                    return worker
        time.sleep(0.01)
    raise AssertionError("no worker has begun")


def misfortune(
    service: Service, media: bytes, strike: Callable[[psutil.Process], None]
) -> tuple[httpx.Response, set[int]]:
    """Post what takes long, strike, and see that a neighbour is served meanwhile; the answer, and the workers lost."""
    service.wait_healthy(2)
    before = {worker.pid for worker in service.workers()}
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(service.post, media, LABORIOUS)
        first = busy_worker(service)
        neighbour = service.post(clips.PORTRAIT)
        assert neighbour.status_code == 200, neighbour.text
        assert not answer.done()
        assert first.pid in before
        strike(first)
        response = answer.result()
    assert service.post(clips.PORTRAIT).status_code == 200
    service.wait_healthy(2)
    return response, before - {worker.pid for worker in service.workers()}


def test_a_file_that_takes_too_long_is_ended(hurried: Service, laborious: bytes) -> None:
    response, lost = misfortune(hurried, laborious, lambda _: None)
    assert (response.status_code, problem_of(response).code) == (504, "decode_timeout")
    assert len(lost) == 1


def test_a_worker_that_stands_still_is_ended(hurried: Service, laborious: bytes) -> None:
    stopped: list[psutil.Process] = []

    def stop(worker: psutil.Process) -> None:
        stopped.append(worker)
        worker.send_signal(signal.SIGSTOP)

    response, lost = misfortune(hurried, laborious, stop)
    assert (response.status_code, problem_of(response).code) == (504, "decode_timeout")
    assert lost == {stopped[0].pid}
    assert not stopped[0].is_running()


def test_a_file_that_crashes_its_worker_twice_is_given_up(laborious: bytes) -> None:
    crashed: list[int] = []

    def crash(worker: psutil.Process) -> None:
        for _ in range(2):
            crashed.append(worker.pid)
            worker.send_signal(signal.SIGSEGV)
            worker.wait(10.0)
            if len(crashed) < 2:
                worker = busy_worker(service)

    with running_service(TELLTALE_PREPROCESS_WORKERS="2") as service:
        response, lost = misfortune(service, laborious, crash)
    assert (response.status_code, problem_of(response).code) == (422, "media_crashed_decoder")
    assert len(set(crashed)) == 2
    assert lost <= set(crashed)


def test_a_file_that_needs_too_much_memory_is_refused(lean: Service) -> None:
    lean.wait_healthy(2)
    heaviest = max(worker.memory_info().rss for worker in lean.workers())
    before = {worker.pid for worker in lean.workers()}
    # 39 megapixels, which the limit of pixels allows, are 117 MB in RGB, and several copies of that on the way.
    problem = problem_of(lean.post(bombs.png(6240, 6240, depth=16), Recipe(inputs=(Image(size=64),))))
    assert (problem.status, problem.code) == (422, "media_too_demanding")
    assert lean.post(clips.PORTRAIT).status_code == 200
    deadline = time.monotonic() + 20.0
    while len(kept := before & {worker.pid for worker in lean.workers()}) == 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(kept) == 1
    lean.wait_healthy(2)
    assert max(worker.memory_info().rss for worker in lean.workers()) < heaviest + MEMORY


def test_a_file_that_uses_up_its_cpu_time_is_given_up(laborious: bytes) -> None:
    with running_service(TELLTALE_PREPROCESS_WORKERS="2", TELLTALE_PREPROCESS_MAX_CPU_S="0.2") as service:
        response, lost = misfortune(service, laborious, lambda _: None)
        assert (response.status_code, problem_of(response).code) == (422, "media_crashed_decoder")
        assert lost
