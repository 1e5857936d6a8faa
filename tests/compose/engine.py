"""A Docker engine to prove compose.yaml on: the one that runs here, or one that ../shared/tools/docker-lab starts."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT.parent / "shared/tools/docker-lab"
LAB_BASE = "python:3.11-slim"
CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Engine:
    """How `docker` reaches it; ``lab`` when it is the lab's, where no image can be pulled."""

    lab: bool
    environment: dict[str, str] = field(default_factory=dict)

    def docker(self, *arguments: str | Path, cwd: Path = ROOT, check: bool = True) -> str:
        """Run docker and return what it prints; a failure ends the test with what it said."""
        command = ["docker", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=cwd, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        if check and done.returncode != 0:
            pytest.fail(f"{shlex.join(command)} exited with {done.returncode}:\n{done.stderr[-6000:]}", pytrace=False)
        return done.stdout

    def logs(self, container: str) -> list[str]:
        """The lines that a container printed, those to stderr included."""
        done = subprocess.run(
            ["docker", "logs", container],  # noqa: S607
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()


@contextmanager
def running_engine() -> Iterator[Engine]:
    """The engine, and this thread where its published ports answer; skips where there can be none."""
    if _works({}):
        yield Engine(lab=False)
        return
    if not LAB.exists() or os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(
            "no Docker engine with compose and buildx answers here, and docker-lab cannot start one "
            "(it needs ../shared/tools/docker-lab, root, and Debian 12)"
        )
    started = time.monotonic()
    done = subprocess.run([LAB, "up"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"docker-lab could not start an engine: {done.stderr[-2000:]}")
    print(f"\ndocker-lab: engine and base image in {time.monotonic() - started:.0f} s", flush=True)
    try:
        exports = subprocess.run([LAB, "env"], capture_output=True, text=True, check=True).stdout
        pairs = (word.partition("=") for word in shlex.split(exports) if "=" in word)
        environment = {name: value for name, _, value in pairs}
        cli = str(Path(environment["DOCKER_CONFIG"]).parent / "dk/usr/bin")
        environment["PATH"] = f"{cli}{os.pathsep}{os.environ['PATH']}"
        assert _works(environment), "the lab's engine does not answer"
        with _in_namespace(os.environ.get("LAB_NS", "lab")):
            yield Engine(lab=True, environment=environment)
    finally:
        subprocess.run([LAB, "down"], capture_output=True, check=False)


def _works(environment: dict[str, str]) -> bool:
    probes: Sequence[Sequence[str]] = (["version"], ["compose", "version"], ["buildx", "version"])
    if shutil.which("docker", path=environment.get("PATH")) is None:
        return False
    return all(
        subprocess.run(
            ["docker", *probe],  # noqa: S607
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        ).returncode
        == 0
        for probe in probes
    )


@contextmanager
def _in_namespace(name: str) -> Iterator[None]:
    """This thread, and those that it starts, in a network namespace: the lab's ports are published there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as home, Path("/run/netns", name).open() as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"the namespace {name} cannot be entered")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)
