"""The preprocess-service as a process of its own, for tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from telltale_contracts import FaceCrop, Problem, Recipe, TensorBundle

FACES = Recipe(inputs=(FaceCrop(size=64),))


@dataclass
class Service:
    """A running service and a client of it."""

    process: subprocess.Popen[bytes]
    client: httpx.Client

    def post(self, media: bytes | Path, recipe: Recipe | str = FACES, **headers: str) -> httpx.Response:
        """One request for a bundle; the file is named as misleadingly as possible."""
        body = media.read_bytes() if isinstance(media, Path) else media
        text = recipe if isinstance(recipe, str) else recipe.model_dump_json()
        return self.client.post(
            "/bundle", files={"media": ("notes.txt", body, "text/plain")}, data={"recipe": text}, headers=headers
        )

    def bundle(self, media: bytes | Path, recipe: Recipe = FACES) -> TensorBundle:
        """The bundle of a request that must succeed."""
        response = self.post(media, recipe)
        assert response.status_code == 200, response.text
        return TensorBundle.from_bytes(response.content)

    def workers(self) -> list[psutil.Process]:
        """Its worker processes."""
        return [child for child in psutil.Process(self.process.pid).children() if _is_worker(child)]

    def wait_healthy(self, workers: int, seconds: float = 60.0) -> None:
        """Wait until so many workers are warm."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            response = self.client.get("/health")
            if response.status_code == 200 and response.json()["workers"] == workers:
                return
            time.sleep(0.05)
        raise AssertionError(f"not {workers} workers after {seconds} s")


def _is_worker(process: psutil.Process) -> bool:
    # One that has just ended has no command line any more.
    try:
        return any("workers.child" in word for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def problem_of(response: httpx.Response) -> Problem:
    """The problem in an answer, checked against its contract and the answer's own status."""
    assert response.headers["content-type"] == Problem.MEDIA_TYPE, response.text
    problem = Problem.model_validate(json.loads(response.content))
    assert problem.status == response.status_code
    assert problem.request_id == response.headers["x-request-id"]
    assert problem.hint
    return problem


@contextmanager
def running_service(log: Path | None = None, **environment: str) -> Iterator[Service]:
    """Start the service on a free port of the loopback; it and its workers are gone afterwards.

    ``log``: where its standard error goes.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") if log is not None else nullcontext() as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "telltale_preprocess", "--host", "127.0.0.1", "--port", str(port)],
            env=os.environ | environment,
            stderr=stream,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0) as client:
            deadline = time.monotonic() + 60.0
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    if client.get("/health").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.05)
            assert process.poll() is None, "the service did not start"
            yield Service(process, client)
    finally:
        process.terminate()
        process.wait(timeout=20.0)
