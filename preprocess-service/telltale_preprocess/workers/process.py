"""The service's end of one worker process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import suppress
from typing import ClassVar, Self

from pydantic import ValidationError

from telltale_preprocess.errors import ErrorMessage
from telltale_preprocess.settings import Settings
from telltale_preprocess.workers.messages import HEADER, Answer, Job, Kind, Timings

# A process that ends closes its connection first.
_LAST_MOMENTS_S = 2.0
# What a bundle is beside its tensors.
_FRAME_BYTES = 64_000_000
# A bundle of megabytes is read in a few pieces, not in hundreds.
_READ_AHEAD = 1 << 23


class WorkerDied(Exception):
    """The process ended, or its connection did, before it answered."""


class JobUndelivered(WorkerDied):
    """It was gone before it could be given the job."""


class WorkerProcess:
    """One process and the socket to it; does one job at a time. ``leaving``: it said that it ends after its answer."""

    MODULE: ClassVar[str] = "telltale_preprocess.workers.child"

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        longest: int,
    ) -> None:
        self._process = process
        self._longest = longest
        self.leaving = False
        self._ended = asyncio.Event()
        self._pidfd = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_end)
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, settings: Settings) -> Self:
        """Start a process and wait until it is warm.

        Must be called from the thread that lives as long as the pool: workers die with the thread that started them.

        Raises:
            WorkerDied: it ended while it warmed up; its stderr says why.
            TimeoutError: it was not warm after ``settings.start_timeout_s``.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            # Not asyncio's subprocess: its watcher may start the child from another thread.
            process = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-m", cls.MODULE, str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env=os.environ | _ALLOCATOR | _environment(settings),
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=_READ_AHEAD)
        worker = cls(process, reader, writer, longest=settings.max_bundle_bytes + _FRAME_BYTES)
        try:
            async with asyncio.timeout(settings.start_timeout_s):
                await worker._read(Kind.READY)
        except BaseException:
            await worker.stop()
            raise
        return worker

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self._ended.is_set()

    async def run(self, job: Job) -> Answer:
        """Do one job.

        Raises:
            PreprocessError: the worker's own refusal; the worker may be used again.
            JobUndelivered: it had ended before.
            WorkerDied: it ended in the middle of it.
        """
        try:
            body = job.model_dump_json().encode()
            self._writer.write(HEADER.pack(Kind.JOB, len(body)) + body)
            await self._writer.drain()
        except (ConnectionError, OSError) as error:
            raise JobUndelivered(str(error)) from error
        kind, body = await self._read(Kind.TIMINGS, Kind.ERROR, Kind.FAREWELL)
        self.leaving = kind is Kind.FAREWELL
        try:
            if kind is Kind.TIMINGS:
                timings = Timings.model_validate_json(body)
                _, bundle = await self._read(Kind.BUNDLE)
                return Answer(bundle, timings)
            message = ErrorMessage.model_validate_json(body)
        except ValidationError as error:
            raise WorkerDied(f"worker {self.pid} answered with something that is no answer") from error
        raise message.to_error()

    async def stop(self) -> None:
        """Kill the process and wait for its end."""
        self._writer.close()
        if self.alive:
            self._process.kill()
        await self.ended()

    async def ended(self) -> None:
        """Wait until the process is gone."""
        await self._ended.wait()

    async def fate(self) -> int | None:
        """How it ended by itself: its exit status, or the number of a signal below zero; None if it goes on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_MOMENTS_S):
                await self.ended()
        return self._process.returncode

    def _on_end(self) -> None:
        # The descriptor becomes readable once, when the kernel has ended the process.
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        self._ended.set()

    async def _read(self, *expected: Kind) -> tuple[Kind, bytes]:
        # Whoever reads hostile media may say anything.
        try:
            kind, length = HEADER.unpack(await self._reader.readexactly(HEADER.size))
            if kind not in expected or length > self._longest:
                raise WorkerDied(f"worker {self.pid} answered with something that is no answer")
            return Kind(kind), await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError, OSError, ValueError) as error:
            raise WorkerDied(f"worker {self.pid} ended without an answer") from error


# glibc gives a decoded picture's memory back to the kernel and asks for it again, thirty times a video, and gives each
# thread a heap of its own: together 3 % of the time and 30 MB of a worker.
_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 28),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
}


def _environment(settings: Settings) -> dict[str, str]:
    prefix = str(settings.model_config["env_prefix"])
    return {f"{prefix}{name}".upper(): str(value) for name, value in settings.model_dump(mode="json").items()}
