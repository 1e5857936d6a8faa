"""``python -m telltale_preprocess --host H --port P``: serve until told to stop."""

from __future__ import annotations

import argparse

import uvicorn
from telltale_asgi.logs import write_logs_as_json
from telltale_asgi.memory import keep_memory

from telltale_preprocess.api.app import create_app
from telltale_preprocess.api.tracing import start_tracing
from telltale_preprocess.settings import Settings

# Below the ten seconds that a supervisor usually waits before it kills.
_DRAIN_S = 8


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="telltale_preprocess", description="Media and a recipe in, a TensorBundle out."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8010)
    arguments = parser.parse_args()
    write_logs_as_json()
    keep_memory()
    settings = Settings()
    stop_tracing = start_tracing(settings.tracing_endpoint)
    uvicorn.run(
        create_app(settings),
        host=arguments.host,
        port=arguments.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_S,
    )
    stop_tracing()


if __name__ == "__main__":
    main()
