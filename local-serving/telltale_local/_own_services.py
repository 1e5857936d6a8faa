"""preprocess-service and gateway, each started as a program: rooms speak over the wire."""

from __future__ import annotations

from collections.abc import Mapping

from telltale_local._child import ChildSpec
from telltale_local._layout import Layout
from telltale_local._ports import LOOPBACK
from telltale_local._probes import http_ok
from telltale_local._scratch import Scratch

EVERY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104 to tell what a person asked for, not to bind it

# The gateway lets its requests finish for 20 s before it ends.
GATEWAY_GRACE_S = 25.0


def preprocess_child(layout: Layout, scratch: Scratch, port: int) -> ChildSpec:
    """preprocess-service on loopback."""
    return ChildSpec(
        name="preprocess-service",
        command=_program(layout, "telltale_preprocess", LOOPBACK, port),
        environment={"TMPDIR": str(scratch.subfolder("tmp"))},
        ready=http_ok(f"http://{LOOPBACK}:{port}/health"),
    )


def gateway_child(layout: Layout, scratch: Scratch, host: str, port: int, others: Mapping[str, str]) -> ChildSpec:
    """The gateway, told through its environment where the others are; ready when every live detector answers."""
    return ChildSpec(
        name="gateway",
        command=_program(layout, "telltale_gateway", host, port),
        environment={**others, "TMPDIR": str(scratch.subfolder("tmp"))},
        ready=http_ok(f"{url_of(host, port)}/health"),
        grace_s=GATEWAY_GRACE_S,
    )


def url_of(host: str, port: int) -> str:
    """How this machine reaches a server that was told to listen on ``host``."""
    reachable = LOOPBACK if host in EVERY_ADDRESS else host
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _program(layout: Layout, module: str, host: str, port: int) -> tuple[str, ...]:
    return (str(layout.services_python), "-m", module, "--host", host, "--port", str(port))
