"""One server that is kept running."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from telltale_local._groups import kill_groups
from telltale_local._layout import CannotStart

logger = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[bool]]

PROBE_EVERY_S = 0.1
READY_WITHIN_S = 120.0
GRACE_S = 10.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
STEADY_AFTER_S = 30.0
TAIL_LINES = 20


@dataclass(frozen=True)
class ChildSpec:
    """What to run, and how to tell that it serves.

    Attributes:
        name: what people call it.
        command: program and arguments.
        environment: variables on top of the supervisor's own.
        ready: whether it answers; must not raise.
        before_start: called before every start, also of a restart.
        grace_s: seconds that it has to end by itself when asked; longer than it lets its requests finish.
    """

    name: str
    command: tuple[str, ...]
    ready: Probe
    environment: Mapping[str, str] = field(default_factory=dict)
    before_start: Callable[[], None] | None = None
    grace_s: float = GRACE_S


class Child:
    """A server process in a session of its own, started again whenever it dies until it is stopped."""

    def __init__(
        self,
        spec: ChildSpec,
        log: Path | None,
        announce: Callable[[str], None],
        on_unsupervised: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Nothing runs yet.

        Args:
            spec: what to run.
            log: where its output goes; None leaves it on the supervisor's stderr.
            announce: told ``+group ID`` when its process group begins and ``-group ID`` when that is gone.
            on_unsupervised: told why when a fault of the supervisor's own leaves the server with nobody to restart it.
        """
        self._spec = spec
        self._log = log
        self._announce = announce
        self._on_unsupervised = on_unsupervised
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def name(self) -> str:
        """What people call it."""
        return self._spec.name

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it, return once it answers, and keep it running from then on.

        Raises:
            CannotStart: it ended before it answered, or did not answer in time.
        """
        started = time.monotonic()
        process = await self._spawn()
        deadline = time.monotonic() + READY_WITHIN_S
        while not await self._spec.ready() or process.returncode is not None:
            if process.returncode is not None:
                raise CannotStart(self._why(f"ended with {_ending(process.returncode)} before it answered"))
            if time.monotonic() > deadline:
                raise CannotStart(self._why(f"did not answer within {READY_WITHIN_S:.0f} s"))
            await asyncio.sleep(PROBE_EVERY_S)
        logger.info("%s answers after %.1f s, process %d", self.name, time.monotonic() - started, process.pid)
        self._keeper = asyncio.create_task(self._keep(process), name=f"keep {self.name}")
        self._keeper.add_done_callback(self._report)

    async def stop(self) -> None:
        """Ask it to end, and kill whatever of it is left after a grace; never fails when it has ended already."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), self._spec.grace_s)
            except TimeoutError:
                logger.warning("%s did not end within %.0f s and is killed", self.name, self._spec.grace_s)
        await self._clear(process)

    async def _spawn(self) -> asyncio.subprocess.Process:
        launch = asyncio.create_task(self._launch())
        try:
            return await asyncio.shield(launch)
        except asyncio.CancelledError:
            # Not broken off half-way: a process that nobody knows of would stay.
            await launch
            raise

    async def _launch(self) -> asyncio.subprocess.Process:
        if self._spec.before_start is not None:
            self._spec.before_start()
        output = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if self._log else None
        try:
            # A session of its own, so that Ctrl-C in the terminal reaches only the supervisor, which knows the order.
            self._process = await asyncio.create_subprocess_exec(
                *self._spec.command,
                env={**os.environ, **self._spec.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=2 if output is None else output,
                stderr=2 if output is None else output,
                start_new_session=True,
            )
        except OSError as error:
            raise CannotStart(f"{self.name} cannot be started: {error}") from error
        finally:
            if output is not None:
                os.close(output)
        self._announce(f"+group {self._process.pid}")
        return self._process

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        pause = FIRST_PAUSE_S
        while True:
            born = time.monotonic()
            code = await process.wait()
            await self._clear(process)
            if time.monotonic() - born > STEADY_AFTER_S:
                pause = FIRST_PAUSE_S
            logger.warning("%s ended with %s and is started again in %.1f s", self.name, _ending(code), pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            process = await self._respawn(pause)
            self.restarts += 1

    def _report(self, keeper: asyncio.Task[None]) -> None:
        error = None if keeper.cancelled() else keeper.exception()
        if error is not None:
            logger.critical("%s is no longer supervised", self.name, exc_info=error)
            self._on_unsupervised(f"{self.name} is no longer supervised: {type(error).__name__}: {error}")

    async def _respawn(self, pause: float) -> asyncio.subprocess.Process:
        while True:
            try:
                return await self._spawn()
            except CannotStart as error:
                logger.error("%s", error)
                await asyncio.sleep(pause)

    async def _clear(self, process: asyncio.subprocess.Process) -> None:
        # Workers that outlive their parent would hold its ports and memory.
        await asyncio.to_thread(kill_groups, {process.pid})
        await process.wait()
        self._announce(f"-group {process.pid}")

    def _why(self, what: str) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if self._log else []
        said = "\n".join(f"    {line}" for line in lines)
        return f"{self.name} {what}." + (f" The end of what it said:\n{said}" if said else " It said nothing.")


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
