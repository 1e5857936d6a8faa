"""The stack: which servers make it up, in which order they start and stop."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, get_args

from telltale_local._child import Child, ChildSpec
from telltale_local._layout import CannotStart, Layout, Unsupervised
from telltale_local._own_services import gateway_child, preprocess_child, url_of
from telltale_local._ports import LOOPBACK, free_ports, require_free
from telltale_local._scratch import Scratch
from telltale_local._tfserving import TfServingPorts, tfserving_child
from telltale_local._triton import TritonPorts, triton_child

logger = logging.getLogger(__name__)

Part = Literal["preprocess", "triton", "tfserving", "gateway"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class Plan:
    """Which parts run, and where the gateway listens; port 0 means any free one."""

    parts: frozenset[Part] = frozenset(PARTS)
    host: str = LOOPBACK
    port: int = 0
    verbose: bool = False


class Stack:
    """The servers of a plan, from entering the context until leaving it.

    Ports are picked once and kept over restarts. Leaving, and also being killed, leaves no process, no shared memory
    and no temporary file.
    """

    def __init__(self, layout: Layout, plan: Plan) -> None:
        """Nothing runs yet."""
        preprocess, http, grpc, metrics, tf_grpc, tf_rest, gateway = free_ports(7)
        self._layout = layout
        self._plan = plan
        self._preprocess_port = preprocess
        self._triton_ports = TritonPorts(http, grpc, metrics)
        self._tfserving_ports = TfServingPorts(tf_grpc, tf_rest)
        self._gateway_port = plan.port or gateway
        self._children: dict[Part, Child] = {}
        self._user: asyncio.Task[object] | None = None
        self._fault: str | None = None

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return url_of(self._plan.host, self._gateway_port)

    @property
    def environment(self) -> dict[str, str]:
        """Where every part of the plan is, as the gateway and tests read it."""
        triton, tfserving = self._triton_ports, self._tfserving_ports
        of_part: dict[Part, Mapping[str, str]] = {
            "preprocess": {"TELLTALE_PREPROCESS_URL": f"http://{LOOPBACK}:{self._preprocess_port}"},
            "triton": {
                "TELLTALE_TRITON_URL": f"http://{LOOPBACK}:{triton.http}",
                "TELLTALE_TRITON_GRPC_TARGET": f"{LOOPBACK}:{triton.grpc}",
                "TELLTALE_TRITON_METRICS_URL": f"http://{LOOPBACK}:{triton.metrics}/metrics",
            },
            "tfserving": {
                "TELLTALE_TFSERVING_TARGET": f"{LOOPBACK}:{tfserving.grpc}",
                "TELLTALE_TFSERVING_URL": f"http://{LOOPBACK}:{tfserving.rest}",
            },
            "gateway": {"TELLTALE_URL": self.url},
        }
        where = {key: value for part in PARTS if part in self._plan.parts for key, value in of_part[part].items()}
        return {**where, "TELLTALE_MODEL_REPOSITORY": str(self._layout.model_repository)}

    def pid(self, part: Part) -> int | None:
        """The process id of a part while it runs."""
        return self._children[part].pid

    async def __aenter__(self) -> Self:
        """Start everything and wait until it answers.

        Raises:
            CannotStart: a part is missing or ended; what had started is stopped again.
            Unsupervised: as on leaving.
        """
        self._user = asyncio.current_task()
        self._scratch = Scratch.make()
        self._reaper = _companion(self._scratch)
        try:
            await self._start()
        except BaseException:
            await self._stop()
            self._raise_fault()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything, the gateway first so that requests on their way can end.

        Raises:
            Unsupervised: a server was left without supervision, which also cancels what runs in the context.
        """
        await self._stop()
        self._raise_fault()

    async def _start(self) -> None:
        self._layout.require(self._layout.model_repository, "the model repository")
        if "gateway" in self._plan.parts:
            require_free(self._plan.host, self._gateway_port)
        logs = self._scratch.subfolder("logs")
        for part, spec in self._specs():
            log = None if self._plan.verbose else logs / f"{spec.name}.log"
            self._children[part] = Child(spec, log, self.announce, self._give_up)
        try:
            async with asyncio.TaskGroup() as starting:
                for child in self._children.values():
                    starting.create_task(child.start())
        except ExceptionGroup as failed:
            reasons, others = failed.split(CannotStart)
            if others is not None or reasons is None:
                raise
            raise CannotStart("\n".join(str(error) for error in reasons.exceptions)) from None

    def _specs(self) -> Iterable[tuple[Part, ChildSpec]]:
        layout, scratch, parts = self._layout, self._scratch, self._plan.parts
        if "tfserving" in parts:
            yield "tfserving", tfserving_child(layout, scratch, self._tfserving_ports)
        if "triton" in parts:
            yield "triton", triton_child(layout, scratch, self._triton_ports)
        if "preprocess" in parts:
            yield "preprocess", preprocess_child(layout, scratch, self._preprocess_port)
        if "gateway" in parts:
            yield "gateway", gateway_child(layout, scratch, self._plan.host, self._gateway_port, self.environment)

    async def _stop(self) -> None:
        gateway = self._children.pop("gateway", None)
        if gateway is not None:
            await gateway.stop()
        await asyncio.gather(*(child.stop() for child in self._children.values()))
        # The companion sees the end of its input and removes what is left; there is one way to clean up, not two.
        await asyncio.to_thread(self._reaper.communicate)

    def _give_up(self, why: str) -> None:
        """Rather stop than go on with a server that nobody would restart."""
        if self._fault is None and self._user is not None:
            self._user.cancel()
        self._fault = self._fault or why

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise Unsupervised(self._fault)

    def announce(self, line: str) -> None:
        """Tell the companion what begins or ends, so that it can end it should this process be killed."""
        if self._reaper.stdin is None:
            raise RuntimeError("the companion has no standard input")
        try:
            self._reaper.stdin.write(f"{line}\n")
            self._reaper.stdin.flush()
        except BrokenPipeError:
            logger.error("the companion that cleans up after a kill is gone; stop and start Telltale to have it back")


def _companion(scratch: Scratch) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "telltale_local._reaper", str(scratch.folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
