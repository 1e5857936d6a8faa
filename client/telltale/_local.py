"""The embedded stack: Telltale's own launcher, run as a process."""

from __future__ import annotations

import importlib.util
import queue
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LAUNCHER = "telltale_local"
_STOP_S = 60.0


class CannotStart(Exception):
    """The embedded stack is not installed here, or did not start."""


@dataclass
class LocalStack:
    """A running stack, on a free port of loopback."""

    process: subprocess.Popen[str]
    url: str

    @classmethod
    def started(cls, model_repository: Path | None, timeout_s: float) -> Self:
        """Start it, and wait until every detector answers.

        Raises:
            CannotStart: the launcher is not installed, ended, or was not ready in time.
        """
        if importlib.util.find_spec(_LAUNCHER) is None:
            raise CannotStart("Telltale's servers are not installed in this environment; name the URL of a gateway.")
        port = _free_port()
        command = [sys.executable, "-m", _LAUNCHER, "serve", "--port", str(port)]
        if model_repository is not None:
            command += ["--model-repository", str(model_repository)]
        # Its messages are for people, and go where this program's go.
        stack = cls(subprocess.Popen(command, stdout=subprocess.PIPE, text=True), f"http://127.0.0.1:{port}")
        try:
            ready = stack.first_line(timeout_s)
        except BaseException:
            stack.stop()
            raise
        if "ready" not in ready:
            stack.stop()
            raise CannotStart("Telltale did not start; it said why on standard error.")
        return stack

    def first_line(self, timeout_s: float) -> str:
        """What it says first; empty when it ended without a word.

        Raises:
            CannotStart: it said nothing in time.
        """
        lines: queue.Queue[str] = queue.Queue()
        stream = self.process.stdout
        if stream is None:
            raise RuntimeError("the launcher has no standard output")
        threading.Thread(target=lambda: lines.put(stream.readline()), daemon=True).start()
        try:
            return lines.get(timeout=timeout_s)
        except queue.Empty:
            raise CannotStart(f"Telltale was not ready after {timeout_s:g} s.") from None

    def stop(self) -> None:
        """Stop it as Ctrl-C would, and wait until it is gone; kill it only if it will not go."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
