"""``python -m telltale_gateway``: serve the gateway."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from telltale_gateway.app import create_app
from telltale_gateway.draining import DrainingServer
from telltale_gateway.loopback import is_loopback
from telltale_gateway.settings import Settings

# Where containers find their secrets, one file each; a name in the environment comes first.
_SECRETS = Path("/run/secrets")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 2 when the settings do not allow it."""
    parser = argparse.ArgumentParser(prog="telltale-gateway", description="Serve Telltale's gateway.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--drain", type=int, default=20, help="seconds that requests have to finish when told to stop")
    parser.add_argument("--linger", type=float, default=0.5, help="seconds that connections are refused before the end")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # httpx logs every call at INFO; the gateway says what matters of them itself.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = Settings(_secrets_dir=_SECRETS if _SECRETS.is_dir() else None)  # type: ignore[call-arg]
    except ValidationError as error:
        for problem in error.errors():
            name = "TELLTALE_" + "__".join(str(part) for part in problem["loc"]).upper()
            sys.stderr.write(f"{name}: {problem['msg']}\n")
        return 2
    if not (settings.allow_anonymous or is_loopback(options.host)):
        sys.stderr.write(
            f"Refusing to serve {options.host} without authentication: anyone who reaches it could use it. "
            "Serve a loopback address, or set TELLTALE_ALLOW_ANONYMOUS=true.\n"
        )
        return 2
    server = DrainingServer(
        uvicorn.Config(
            create_app(settings),
            host=options.host,
            port=options.port,
            log_level="warning",
            timeout_graceful_shutdown=options.drain,
        ),
        linger_s=options.linger,
    )
    server.run()
    return 0 if server.started else 3


if __name__ == "__main__":
    sys.exit(main())
