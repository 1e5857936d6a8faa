"""Who may change what is served: callers with the scope operate; where nobody is asked who he is, this machine."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from telltale_gateway.errors import NotAllowed
from telltale_gateway.loopback import is_loopback
from telltale_gateway.security import Caller

# A request that came through a proxy has the proxy's address, which is often this machine's.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def operator(request: Request) -> str:
    """Whence an order comes, in words for the history.

    Raises:
        NotAllowed: the caller lacks the scope; or nobody is asked who he is, and it does not come from this machine.
    """
    address = request.client.host if request.client is not None else "somewhere"
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is not None:
        if "operate" not in caller.scopes:
            raise NotAllowed("This needs the scope operate.", "Ask whoever issues keys for one with operate.")
        return f"with {caller.name} from {address}"
    # The host that was asked for, too: a page in a browser here may have a name of its own for this address.
    direct = is_loopback(address) and is_loopback(request.url.hostname or "")
    if not direct or any(header in request.headers for header in _FORWARDED):
        raise NotAllowed(
            "Only this machine itself may change what is served.",
            "Ask from there, or start the gateway with TELLTALE_AUTH__KEYS_FILE and send a key that may operate.",
        )
    return f"from {address}"


Operator = Annotated[str, Depends(operator)]
