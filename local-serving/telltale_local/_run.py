"""Run somebody's command against the servers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress


async def run_command(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command in the foreground; its exit status, or 128 + the signal that ended it, or 127 when there is none.

    When this is cancelled the command is asked to end, and waited for.
    """
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment})
    except FileNotFoundError:
        print(f"{command[0]}: there is no such command", flush=True)
        return 127
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()
        raise
    return code if code >= 0 else 128 - code
