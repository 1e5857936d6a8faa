"""Files that claim to be enormous are refused by what they claim: the worker's memory does not move."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests import clips
from tests.preprocess.bombs import BOMBS
from tests.preprocess.service import Service, problem_of, running_service

MOST_GROWTH = 8_000_000
GIGABYTE = 1_000_000_000


@pytest.fixture(scope="module")
def lone() -> Iterator[Service]:
    """A service with one worker, so that it is known who decodes."""
    with running_service(TELLTALE_PREPROCESS_WORKERS="1") as running:
        running.post(clips.PORTRAIT)
        yield running


def forget_peak(service: Service) -> int:
    """Let the kernel count the worker's peak afresh (proc(5), clear_refs); bytes that are resident now."""
    (worker,) = service.workers()
    Path(f"/proc/{worker.pid}/clear_refs").write_text("5")
    return worker.memory_info().rss


def peak(service: Service) -> int:
    """Bytes that were resident at most since the last call of forget_peak."""
    (worker,) = service.workers()
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_memory_is_taken(lone: Service, name: str) -> None:
    make, status, code = BOMBS[name]
    body = make()
    assert len(body) < 500_000
    (worker,) = lone.workers()
    before = forget_peak(lone)
    problem = problem_of(lone.post(body))
    assert (problem.status, problem.code) == (status, code), problem.detail
    assert peak(lone) - before < MOST_GROWTH
    assert lone.workers() == [worker]


def test_the_peak_of_a_large_picture_would_be_seen(lone: Service) -> None:
    body = io.BytesIO()
    Pillow.fromarray(np.zeros((5000, 5000, 3), np.uint8)).save(body, "PNG")
    before = forget_peak(lone)
    assert lone.post(body.getvalue()).status_code == 200
    assert peak(lone) - before > 5000 * 5000 * 3
