"""A fixed number of warmed workers, each replaced when it dies, hangs or must go.

Not concurrent.futures: there, one process that dies breaks the pool for all its neighbours.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress

from telltale_preprocess.errors import Busy, DecodeTimeout, MediaCrashedDecoder, WorkersLost
from telltale_preprocess.settings import Settings
from telltale_preprocess.workers.messages import Answer, Job
from telltale_preprocess.workers.process import JobUndelivered, WorkerDied, WorkerProcess

_log = logging.getLogger("telltale.preprocess.pool")
_ATTEMPTS = 2
_MAX_BACKOFF_S = 10.0
# Nothing in a decoder ends a process so: somebody did, or the kernel for want of memory.
_FROM_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM}


class WorkerPool:
    """Hands jobs to idle workers; at most ``settings.max_queue`` wait."""

    def __init__(self, settings: Settings, *, on_restart: Callable[[str], None]) -> None:
        """``on_restart`` is told why ("died" or "timeout") each time a worker is lost."""
        self._settings = settings
        self._on_restart = on_restart
        self._idle: asyncio.Queue[WorkerProcess] = asyncio.Queue()
        self._workers: set[WorkerProcess] = set()
        self._watching: set[asyncio.Task[None]] = set()
        self._replacing: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """Jobs that wait for a worker."""
        return self._waiting

    @property
    def pids(self) -> list[int]:
        """Process ids of the warmed workers that are alive."""
        return sorted(worker.pid for worker in self._workers if worker.alive)

    async def start(self) -> None:
        """Start all workers; returns when the first is warm.

        Raises:
            WorkerDied, TimeoutError: the first worker could not be warmed.
        """
        await self._add()
        for _ in range(self._settings.workers - 1):
            self._replace()

    async def close(self) -> None:
        """Kill all workers and wait for their end."""
        self._closed = True
        for task in self._replacing:
            task.cancel()
        await asyncio.gather(*self._replacing, return_exceptions=True)
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        self._workers.clear()

    async def run(self, job: Job) -> Answer:
        """Do one job.

        A job whose worker dies is tried once more on another one: the first may have been killed from outside.

        Raises:
            PreprocessError: the media's or the recipe's fault, as the worker says.
            Busy: no worker became idle in time, or too many wait already.
            DecodeTimeout: it took longer than ``settings.max_wall_s``.
            MediaCrashedDecoder: two workers died of it.
            WorkersLost: two workers were killed meanwhile.
        """
        fates: list[int | None] = []
        while len(fates) < _ATTEMPTS:
            worker = await self._take()
            try:
                async with asyncio.timeout(self._settings.max_wall_s):
                    answer = await worker.run(job)
            except TimeoutError as error:
                await self._lose(worker, "timeout")
                raise DecodeTimeout(
                    f"It was not done after {self._settings.max_wall_s:.0f} s, the most that one request may take."
                ) from error
            except JobUndelivered:
                await self._lose(worker, "died")
                continue
            except WorkerDied:
                try:
                    fates.append(await worker.fate())
                    _log.warning("worker %d died during a job (%s)", worker.pid, fates[-1])
                finally:
                    await self._lose(worker, "died")
                continue
            except asyncio.CancelledError:
                await self._lose(worker, "cancelled")
                raise
            except BaseException:
                if worker.leaving:
                    await self._lose(worker, "memory")
                else:
                    self._idle.put_nowait(worker)
                raise
            self._idle.put_nowait(worker)
            return answer
        if _FROM_OUTSIDE.issuperset(fates):
            raise WorkersLost(f"{_ATTEMPTS} decoding processes in a row were killed while working on it.")
        raise MediaCrashedDecoder(f"{_ATTEMPTS} decoding processes in a row died while working on it.")

    async def _take(self) -> WorkerProcess:
        # A worker that died while idle is already being replaced by its watch.
        while not (worker := await self._next_idle()).alive:
            continue
        return worker

    async def _next_idle(self) -> WorkerProcess:
        with suppress(asyncio.QueueEmpty):
            return self._idle.get_nowait()
        if self._waiting >= self._settings.max_queue:
            raise Busy(f"{self._waiting} requests wait already.")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._settings.max_queue_wait_s):
                return await self._idle.get()
        except TimeoutError as error:
            raise Busy(f"No worker became free in {self._settings.max_queue_wait_s:.0f} s.") from error
        finally:
            self._waiting -= 1

    async def _lose(self, worker: WorkerProcess, reason: str) -> None:
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        self._on_restart(reason)
        self._replace()
        await worker.stop()

    def _replace(self) -> None:
        if self._closed:
            return
        task = asyncio.create_task(self._add_until_it_works())
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def _add_until_it_works(self) -> None:
        backoff = 0.25
        while True:
            try:
                await self._add()
            except (WorkerDied, TimeoutError) as error:
                _log.error("a worker did not start, next try in %.2f s: %s", backoff, error)
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, _MAX_BACKOFF_S)
            else:
                return

    async def _add(self) -> None:
        worker = await WorkerProcess.start(self._settings)
        self._workers.add(worker)
        self._idle.put_nowait(worker)
        watch = asyncio.create_task(self._watch(worker))
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)

    async def _watch(self, worker: WorkerProcess) -> None:
        await worker.ended()
        await self._lose(worker, "died")
