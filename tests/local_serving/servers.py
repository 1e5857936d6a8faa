"""The servers as a person starts them, and what tests do to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray

TELL_AND_WAIT = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


@dataclass
class Servers:
    """``python -m telltale_local run``, while the command that it runs waits for its input to end."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    temporary: Path
    family: list[psutil.Process] = field(default_factory=list)

    def descendants(self, word: str) -> list[psutil.Process]:
        """The processes below whose command line holds the word."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if word in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def the(self, word: str) -> psutil.Process:
        """The only process whose command line holds the word."""
        (process,) = self.descendants(word)
        return process

    @property
    def triton_address(self) -> str:
        """HOST:PORT of Triton's HTTP interface."""
        return self.environment["TELLTALE_TRITON_URL"].removeprefix("http://")

    @contextmanager
    def triton(self) -> Iterator[triton.InferenceServerClient]:
        """A client to Triton."""
        with triton.InferenceServerClient(self.triton_address, network_timeout=30) as client:
            yield client

    def shared_memory(self) -> list[Path]:
        """The segments that belong to this run, and to no other."""
        return [segment for run in self.temporary.iterdir() for segment in Path("/dev/shm").glob(f"{run.name}*")]

    def remember_family(self) -> list[psutil.Process]:
        """Every process of this run that runs now, the companion included."""
        top = psutil.Process(self.process.pid)
        self.family = [top, *top.children(recursive=True)]
        return self.family

    def gone(self) -> bool:
        """Whether none of the remembered processes runs."""
        return not any(runs(process) for process in self.family)


def runs(process: psutil.Process) -> bool:
    """Whether a process runs; a zombie that init has not collected yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def infer(
    client: triton.InferenceServerClient, model: str, name: str, batch: NDArray[np.generic]
) -> NDArray[np.generic]:
    """The probabilities that a model on Triton gives a batch."""
    kind = {"uint8": "UINT8", "float32": "FP32"}[batch.dtype.name]
    tensor = triton.InferInput(name, list(batch.shape), kind)
    tensor.set_data_from_numpy(batch, binary_data=True)
    answer = client.infer(model, [tensor]).as_numpy("probability")
    assert answer is not None
    return answer


def wait_until(condition: Callable[[], bool], otherwise: str, seconds: float = 60.0) -> None:
    """Poll a condition; fail with what did not happen when it never holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{otherwise} within {seconds:g} s")
        time.sleep(0.05)


@contextmanager
def running(only: str, repository: Path, temporary: Path) -> Iterator[Servers]:
    """Start servers, wait until they answer, and stop them by letting their command end."""
    command = [sys.executable, "-m", "telltale_local", "run", "--only", only, "--model-repository", str(repository)]
    process = subprocess.Popen(
        [*command, "--", sys.executable, "-c", TELL_AND_WAIT],
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said, "the servers did not start"
        yield Servers(process, json.loads(said), temporary)
    finally:
        if process.poll() is None:
            process.communicate(timeout=60)
        elif process.stdin is not None:
            process.stdin.close()


def end(servers: Servers, number: signal.Signals) -> None:
    """Send the supervisor a signal and wait for its end."""
    servers.process.send_signal(number)
    servers.process.wait(timeout=60)
