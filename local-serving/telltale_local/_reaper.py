"""A companion process that cleans up after the supervisor, however the supervisor ends.

It reads from its standard input what runs, one line a change: ``+group ID`` and ``-group ID`` for the servers, each in
a process group of its own, ``+process ID`` and ``-process ID`` for a command in the foreground. The input ends when the
supervisor does, also when it was killed: then the companion ends what is left of them and removes the run's temporary
folder and shared memory.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from telltale_local._groups import kill_groups
from telltale_local._scratch import Scratch


def watch(lines: TextIO, scratch: Scratch) -> None:
    """Follow the supervisor until its end, then clean up."""
    running: dict[str, set[int]] = {"group": set(), "process": set()}
    for line in lines:
        kind, number = line[1:].split()
        if line.startswith("+"):
            running[kind].add(int(number))
        else:
            running[kind].discard(int(number))
    for process in running["process"]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    kill_groups(running["group"])
    scratch.remove()


def main() -> None:
    """``python -m telltale_local._reaper FOLDER < groups``."""
    # Ctrl-C and a polite end are for the supervisor; the companion ends after it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watch(sys.stdin, Scratch(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
