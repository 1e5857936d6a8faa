"""The digest of an upload: of all of it, wherever it lies, and nothing is left open."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
from telltale_gateway.analysis import HeadStart, MediaSource
from telltale_gateway.spooling import Spool

LARGE = (9 << 20) + 1


def descriptors() -> set[str]:
    """What this process has open."""
    return {f"{each.name} {each.readlink()}" for each in Path("/proc/self/fd").iterdir() if each.is_symlink()}


@pytest.mark.parametrize("size", [0, 1, 8 << 20, (8 << 20) + 1, LARGE])
def test_it_is_of_every_byte(size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    with Spool() as file:
        file.write(content[:size])
        before = descriptors()
        assert asyncio.run(MediaSource(file, None).sha256()) == hashlib.sha256(content[:size]).hexdigest()
        assert len(descriptors()) == len(before)


def test_it_begins_when_nothing_is_left_to_send() -> None:
    class Sending:
        def __init__(self) -> None:
            self.sent = asyncio.Event()

        async def all_sent(self) -> None:
            await self.sent.wait()

    async def ask() -> None:
        sending = Sending()
        with Spool(1 << 20) as spool:
            spool.write(b"begun")
            asked = asyncio.create_task(MediaSource(spool, None, head_start=cast("HeadStart", sending)).sha256())
            await asyncio.sleep(0.05)
            spool.write(b" and done")
            sending.sent.set()
            assert await asked == hashlib.sha256(b"begun and done").hexdigest()

    asyncio.run(ask())


def test_cancelled_while_it_waits_for_a_thread_it_leaves_nothing_open() -> None:
    async def ask() -> None:
        loop, busy = asyncio.get_running_loop(), threading.Event()
        with ThreadPoolExecutor(1) as pool, Spool() as file:
            loop.set_default_executor(pool)
            file.write(bytes(LARGE))
            before = descriptors()
            holding = loop.run_in_executor(None, busy.wait)
            asked = asyncio.create_task(MediaSource(file, None).sha256())
            await asyncio.sleep(0.05)
            assert len(descriptors()) > len(before)
            asked.cancel()
            with suppress(asyncio.CancelledError):
                await asked
            busy.set()
            await holding
            await loop.run_in_executor(None, int)
            assert len(descriptors()) == len(before)

    asyncio.run(ask())
