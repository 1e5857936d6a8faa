"""Connections that go to the very address that was found to be public.

The name is resolved, its addresses are checked and one of them is connected to in one place, so that a name server
that answers differently the second time (DNS rebinding) is never asked a second time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from functools import partial

import httpcore

Resolve = Callable[[str, int], Awaitable[list[str]]]
_RESOLVE_S = 5.0


class NotPublic(Exception):
    """The host has no address, or one that is not public."""


async def resolve(host: str, port: int, *, executor: Executor | None = None, within_s: float = _RESOLVE_S) -> list[str]:
    """The addresses of a host by the system's resolver, which also reads 0x7f.1 and 2130706433.

    It blocks a thread of ``executor`` for as long as a name server takes to answer, and cannot be interrupted; whoever
    asks is answered after ``within_s`` all the same.

    Raises:
        NotPublic: it has none, or none that is known in time.
    """
    asking = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        async with asyncio.timeout(within_s):
            found = await asyncio.get_running_loop().run_in_executor(executor, asking)
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
        raise NotPublic("the host has no address") from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only; TLS is still checked against the name."""

    def __init__(self, resolving: Resolve, public: Callable[[str], bool]) -> None:
        self._resolve = resolving
        self._public = public
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers.

        Raises:
            NotPublic: it has no address, or any of them is not public: a name that mixes them means no good.
            httpcore.ConnectError: none of them answers.
        """
        addresses = await self._resolve(host, port)
        if not addresses or not all(self._public(address) for address in addresses):
            raise NotPublic("the host is not public")
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in addresses:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError("no address")
