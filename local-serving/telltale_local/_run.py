"""Run somebody's command against the servers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress


async def run_command(command: Sequence[str], environment: Mapping[str, str], announce: Callable[[str], None]) -> int:
    """Run a command in the foreground; its exit status, or 128 + the signal that ended it, or 127 when there is none.

    ``announce`` is told ``+process ID`` when it begins and ``-process ID`` when it has ended. When this is cancelled
    the command is asked to end, and waited for.
    """
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment})
    except FileNotFoundError:
        print(f"{command[0]}: there is no such command", flush=True)
        return 127
    announce(f"+process {process.pid}")
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()
        raise
    finally:
        announce(f"-process {process.pid}")
    return code if code >= 0 else 128 - code
