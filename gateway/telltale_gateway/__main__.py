"""``python -m telltale_gateway``: serve the gateway."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

import uvicorn
from pydantic import ValidationError

from telltale_gateway.app import create_app
from telltale_gateway.loopback import is_loopback
from telltale_gateway.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 2 when the settings do not allow it."""
    parser = argparse.ArgumentParser(prog="telltale-gateway", description="Serve Telltale's gateway.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # httpx logs every call at INFO; the gateway says what matters of them itself.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = Settings()  # type: ignore[call-arg]  # read from the environment
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
    uvicorn.run(
        create_app(settings), host=options.host, port=options.port, log_level="warning", timeout_graceful_shutdown=20
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
