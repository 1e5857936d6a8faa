"""A gateway as a person starts it, whose other services are away unless a test names them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from telltale_contracts import Problem


@dataclass(frozen=True)
class RunningGateway:
    """``client`` sends no credentials; ``log`` is what it wrote to standard error."""

    client: httpx.Client
    port: int
    log: Path


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running_gateway(repository: Path, folder: Path, settings: Mapping[str, str]) -> Iterator[RunningGateway]:
    """Start one on a free port, wait until it answers, and stop it."""
    port, nobody = free_port(), free_port()
    environment = {
        **os.environ,
        "TELLTALE_MODEL_REPOSITORY": str(repository),
        "TELLTALE_PREPROCESS_URL": f"http://127.0.0.1:{nobody}",
        "TELLTALE_TRITON_URL": f"http://127.0.0.1:{nobody}",
        "TMPDIR": str(folder),
        **settings,
    }
    log = folder / "gateway.log"
    command = [sys.executable, "-m", "telltale_gateway", "--port", str(port)]
    with log.open("w") as stream, subprocess.Popen(command, env=environment, stderr=stream) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                _wait(client, process)
                yield RunningGateway(client, port, log)
        finally:
            process.terminate()


def problem_of(response: httpx.Response, status: int, code: str) -> Problem:
    """The problem that a response must be."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code) == (status, code)
    assert problem.hint
    assert problem.request_id == response.headers["X-Request-ID"]
    return problem


def _wait(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "the gateway ended"
        try:
            if client.get("/health").json()["detectors"]:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the gateway did not start")
