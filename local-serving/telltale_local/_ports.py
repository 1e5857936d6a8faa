"""Free loopback ports."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from telltale_local._layout import CannotStart

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Distinct ports on 127.0.0.1 on which nobody listens now.

    Nothing keeps them free until they are used, but the system does not hand out the same port again soon.
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def require_free(host: str, port: int) -> None:
    """Make sure that a server can listen there.

    Without this the server that has the port would be taken for ours, because it answers.

    Raises:
        CannotStart: somebody listens there already, or the address is not of this machine.
    """
    try:
        # SO_REUSEADDR on POSIX, so that connections of an earlier run that are still closing do not count.
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except (OSError, OverflowError) as error:
        raise CannotStart(f"cannot listen on {host} port {port}: {error}; choose another HOST or PORT") from error
