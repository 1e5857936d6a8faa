"""The processes that are measured: helpers that answer a line with a line, and the service with its workers."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_BOUNDARY = b"telltale-bench"


class Helper:
    """A measuring process: a word in, numbers out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, word: str = "go") -> dict[str, float]:
        """Let it measure once.

        Raises:
            RuntimeError: it ended instead of answering.
        """
        assert self._process.stdin is not None  # noqa: S101 - pipes were asked for
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with status {self._process.wait()}")
        answer: dict[str, float] = json.loads(line)
        return answer


@contextmanager
def helper(python: Path, script: str, clip: Path) -> Iterator[Helper]:
    """A script of this folder, run by an environment's Python; ends with the block."""
    command = [str(python), str(Path(__file__).with_name(script)), str(clip)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield Helper(process)
        finally:
            process.kill()


class Service:
    """A running preprocess-service."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self._port = port

    def post(self, clip: Path, recipe: str) -> float:
        """Seconds from the first byte sent to the last byte of the bundle.

        Raises:
            RuntimeError: it did not answer with a bundle.
        """
        part = b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
        head = part % (_BOUNDARY, b"recipe", b"") + recipe.encode() + b"\r\n"
        head += part % (_BOUNDARY, b"media", b'; filename="clip"')
        tail = b"\r\n--%s--\r\n" % _BOUNDARY
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=300)
        connection.connect()
        start = time.perf_counter()
        connection.putrequest("POST", "/bundle")
        connection.putheader("Content-Type", f"multipart/form-data; boundary={_BOUNDARY.decode()}")
        connection.putheader("Content-Length", str(len(head) + clip.stat().st_size + len(tail)))
        connection.endheaders(head)
        with clip.open("rb") as file:
            connection.sock.sendfile(file)
        connection.send(tail)
        response = connection.getresponse()
        body = response.read()
        seconds = time.perf_counter() - start
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{clip.name}: {response.status} {body[:500].decode(errors='replace')}")
        return seconds

    def wait(self, workers: int, seconds: float = 180.0) -> None:
        """Wait until so many workers are warm.

        Raises:
            RuntimeError: they are not after so many seconds.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
            try:
                connection.request("GET", "/health")
                if json.loads(connection.getresponse().read()).get("workers") == workers:
                    return
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(0.1)
        raise RuntimeError(f"the service has not {workers} workers after {seconds:.0f} s")

    def worker_peak(self) -> int:
        """Bytes of the largest worker's largest resident set so far."""
        return max(_status(worker.pid, "VmHWM") for worker in self._workers())

    def resident(self) -> int:
        """Bytes resident now, of the service and all its workers."""
        return sum(_status(each.pid, "VmRSS") for each in [psutil.Process(self._process.pid), *self._workers()])

    def cpu_seconds(self) -> tuple[float, float]:
        """CPU time so far, of the service itself and of its workers."""
        own = psutil.Process(self._process.pid).cpu_times()
        workers = [worker.cpu_times() for worker in self._workers()]
        return own.user + own.system, sum(times.user + times.system for times in workers)

    def _workers(self) -> list[psutil.Process]:
        return psutil.Process(self._process.pid).children()


@contextmanager
def service(workers: int) -> Iterator[Service]:
    """The service on a free port, warm, with room for the long clips; gone after the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    limits = {"WORKERS": workers, "MAX_UPLOAD_BYTES": 10**10, "MAX_DURATION_S": 8000, "MAX_WALL_S": 300}
    with subprocess.Popen(
        [sys.executable, "-m", "telltale_preprocess", "--host", "127.0.0.1", "--port", str(port)],
        env=os.environ | {f"TELLTALE_PREPROCESS_{name}": str(value) for name, value in limits.items()},
    ) as process:
        try:
            running = Service(process, port)
            running.wait(workers)
            yield running
        finally:
            process.terminate()


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/{pid}/status has no {field}")
