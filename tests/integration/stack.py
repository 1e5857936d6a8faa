"""The whole stack as a person starts it, and what tests do to it."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest


@dataclass(frozen=True)
class RunningStack:
    """``make serve``, with a client to its gateway."""

    process: subprocess.Popen[str]
    client: httpx.Client
    repository: Path

    def predict(self, media: Path, **query: str) -> httpx.Response:
        """POST one file to /predict."""
        with media.open("rb") as stream:
            return self.client.post("/predict", files={"file": (media.name, stream)}, params=query)

    def descendants(self, *words: str) -> list[psutil.Process]:
        """The processes of this stack whose command line holds all the words."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                line = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if all(word in line for word in words):
                found.append(process)
        return found

    def wait_for_health(self, seconds: float = 60.0) -> None:
        """Until /health is 200."""
        self.wait_until(lambda: self.client.get("/health").status_code == 200, seconds, "/health was not 200")

    @staticmethod
    def wait_until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
        """Poll a condition."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{otherwise} within {seconds:g} s")
            time.sleep(0.1)


class Traffic:
    """Clients that post the same files again and again, and what they were answered."""

    def __init__(self, stack: RunningStack, *media: Path) -> None:
        self.answers: list[httpx.Response] = []
        self.broken: list[httpx.TransportError] = []
        self._stack = stack
        self._media = itertools.cycle(media)
        self._turn = threading.Lock()
        self._stopped = threading.Event()

    @contextmanager
    def flowing(self, clients: int = 2) -> Iterator[None]:
        """Post from several threads while the context lasts."""
        threads = [threading.Thread(target=self._post) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join(timeout=120)

    def _post(self) -> None:
        while not self._stopped.is_set():
            with self._turn:
                media = next(self._media)
            try:
                self.answers.append(self._stack.predict(media, max_frames="4"))
            except httpx.TransportError as error:
                self.broken.append(error)
                self._stopped.wait(0.2)

    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(answer.status_code for answer in self.answers)


@contextmanager
def running_stack(
    repository: Path, temporary: Path, settings: Mapping[str, str] | None = None
) -> Iterator[RunningStack]:
    """Start the stack on a free port and stop it by SIGTERM; nothing of it may stay."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "telltale_local", "serve", "--port", str(port)]
    command += ["--model-repository", str(repository)]
    environment = {**os.environ, "TMPDIR": str(temporary), **(settings or {})}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline(), "the stack did not start"
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            yield RunningStack(process, client, repository)
    finally:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == [], "processes outlived the stack"
        assert list(temporary.iterdir()) == [], "the stack left temporary files"
