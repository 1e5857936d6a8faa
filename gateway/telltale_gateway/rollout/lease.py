"""Which of several gateways over one repository acts on their servers: the one that holds a lock on the shared folder.

Gateways that speak to the same servers share a lock. Those of another stack over the same repository have servers of
their own, which nobody else would load.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

from telltale_gateway.rollout.store import STATE_FOLDER

_log = logging.getLogger(__name__)

_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


_ADDRESS = re.compile(r"(?P<scheme>\w+://)?(?P<host>\[[^\]]*\]|[^:/\[\]]+)(?P<port>:\d+)?(?P<path>/.*)?")
_LOOPBACK = {"127.0.0.1", "[::1]"}


class Lease:
    """A lock that the kernel gives back when its holder dies, so that the next gateway can act at once.

    Where the repository cannot be written to there is nothing to agree by: the gateway acts as if it were alone.
    """

    def __init__(self, repository: Path, servers: Iterable[str] = ()) -> None:
        """``servers``: the addresses that all gateways of this stack are given, in any order. Names of the same machine
        are told for the same only where that machine is this one.
        """
        named = sorted(_spelled_alike(server) for server in servers)
        self.stack = hashlib.sha256("\n".join(named).encode()).hexdigest()[:12]
        self._path = repository / STATE_FOLDER / f"lease-{self.stack}"
        self._descriptor: int | None = None
        self._alone = False

    @property
    def held(self) -> bool:
        """Whether this gateway is the one that acts."""
        return self._alone or self._descriptor is not None

    def take(self) -> bool:
        """Take the lease if nobody has it; whether this gateway has it now. Does not wait.

        Raises:
            OSError: the folder has no locks.
        """
        if self._alone or self._still_ours():
            return True
        self.give_back()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            _log.warning("the model repository cannot be written to: this gateway acts without asking others")
            self._alone = True
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        if not self._still_ours():
            # Its last holder gave it back, and with it the file, between our opening and our locking it.
            self._close()
            return False
        return True

    def give_back(self) -> None:
        """Let another gateway act."""
        if self._still_ours():
            # While it is locked, so that nobody can hold what is removed.
            self._path.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _still_ours(self) -> bool:
        """Whether the lock held is on the file that others would lock: somebody may have removed it."""
        if self._descriptor is None:
            return False
        ours = os.fstat(self._descriptor)
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def _spelled_alike(server: str) -> str:
    """An address of a server, in the one spelling of those that lead to the same for sure."""
    found = _ADDRESS.fullmatch(server)
    if found is None:
        return server
    scheme, host, path = (found["scheme"] or "").lower(), found["host"].lower(), (found["path"] or "").rstrip("/")
    return f"{scheme}{'localhost' if host in _LOOPBACK else host}{found['port'] or ''}{path}"
