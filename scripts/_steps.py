"""What the set-up scripts share: a lock between concurrent runs, and one line of output for each step."""

import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class SetupError(Exception):
    """Set-up cannot go on. The message says what, why, and what to do; it is shown without a traceback."""


def say(line: str) -> None:
    """Print a line at once, also into a pipe, and whole where threads print beside each other."""
    print(f"{line}\n", end="", flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print `what` and the seconds it took, once it has succeeded."""
    started = time.monotonic()
    yield
    say(f"{what} ({time.monotonic() - started:.1f} s)")


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold `lock` against other runs of the same script; wait, saying so, while another one holds it.

    The kernel drops the lock with the process, so a killed run never leaves it held.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run to finish ({lock.name})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def call(command: Sequence[str | Path], *, failed: str, cwd: Path | None = None) -> str:
    """Run `command` and return its stdout; a non-zero exit raises `SetupError` with `failed` and its last lines."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        told = [line for line in lines if not line.startswith("WARNING:")] or lines
        raise SetupError("\n".join([failed, *told[-20:]]))
    return done.stdout


def main_or_message(main: Callable[[], None]) -> None:
    """Run `main()`; a `SetupError` ends the process with status 1 and its message, Ctrl-C with status 130."""
    try:
        main()
    except SetupError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
