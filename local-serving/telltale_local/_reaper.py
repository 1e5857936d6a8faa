"""A companion process that cleans up after the supervisor, however the supervisor ends.

It reads the process groups of the supervisor's children from its standard input, one ``+PGID`` or ``-PGID`` a line.
The input ends when the supervisor does, also when it was killed: then the companion kills what is left of the groups
and removes the run's temporary folder and shared memory.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TextIO

from telltale_local._groups import kill_groups
from telltale_local._scratch import Scratch


def watch(lines: TextIO, scratch: Scratch) -> None:
    """Follow the supervisor until its end, then clean up."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    kill_groups(groups)
    scratch.remove()


def main() -> None:
    """``python -m telltale_local._reaper FOLDER < groups``."""
    # Ctrl-C and a polite end are for the supervisor; the companion ends after it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watch(sys.stdin, Scratch(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
