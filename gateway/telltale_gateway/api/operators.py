"""Who may change what is served: whoever has the operator's key, or, where none is set, this machine."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated

from fastapi import Depends, Request

from telltale_gateway.api.dependencies import SettingsDep
from telltale_gateway.errors import OperateForbidden, OperateKeyRequired
from telltale_gateway.loopback import is_loopback

_KEY_HEADER = "X-API-Key"
# A request that came through a proxy has the proxy's address, which is often this machine's.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def operator(request: Request, settings: SettingsDep) -> str:
    """Whence an order comes, in words for the history.

    Raises:
        OperateKeyRequired: a key is set, and was not sent.
        OperateForbidden: no key is set, and the request does not come from this machine.
    """
    address = request.client.host if request.client is not None else "somewhere"
    if settings.operator_key is not None:
        sent = request.headers.get(_KEY_HEADER, "").encode()
        wanted = settings.operator_key.get_secret_value().encode()
        # Digests are of one length, so that the time of comparing them says nothing about the key.
        if not hmac.compare_digest(hashlib.sha256(sent).digest(), hashlib.sha256(wanted).digest()):
            raise OperateKeyRequired(f"{_KEY_HEADER} is missing or wrong.", "Send the operator's key.")
        return f"with the operator's key from {address}"
    # The host that was asked for, too: a page in a browser here may have a name of its own for this address.
    direct = is_loopback(address) and is_loopback(request.url.hostname or "")
    if not direct or any(header in request.headers for header in _FORWARDED):
        raise OperateForbidden(
            "Only this machine itself may change what is served.",
            "Ask from there, or have the gateway started with TELLTALE_OPERATOR_KEY and send that key.",
        )
    return f"from {address}"


Operator = Annotated[str, Depends(operator)]
