"""``python -m telltale_gateway``: serve the gateway, or look after its API keys."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from pydantic import ValidationError
from pydantic_settings import SettingsError
from telltale_asgi.logs import write_logs_as_json
from telltale_asgi.memory import keep_memory

from telltale_gateway.app import create_app
from telltale_gateway.draining import DrainingServer
from telltale_gateway.keys_command import add_keys_command, run_keys_command
from telltale_gateway.loopback import is_loopback
from telltale_gateway.patience import ImpatientProtocol
from telltale_gateway.security import KeyFile, MalformedKeyFile
from telltale_gateway.settings import Settings
from telltale_gateway.tracing import start_tracing

# Where containers find their secrets, one file each; a name in the environment comes first.
_SECRETS = Path("/run/secrets")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop, or do one thing with keys; 2 when the settings do not allow it."""
    parser = argparse.ArgumentParser(prog="telltale-gateway", description="Serve Telltale's gateway.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--drain", type=int, default=20, help="seconds that requests have to finish when told to stop")
    parser.add_argument("--linger", type=float, default=0.5, help="seconds that connections are refused before the end")
    add_keys_command(parser.add_subparsers(dest="command"))
    options = parser.parse_args(arguments)
    if options.command == "keys":
        return run_keys_command(options)
    write_logs_as_json()
    try:
        settings = Settings(_secrets_dir=_SECRETS if _SECRETS.is_dir() else None)  # type: ignore[call-arg]
    except ValidationError as error:
        for problem in error.errors():
            name = "TELLTALE_" + "__".join(str(part) for part in problem["loc"]).upper()
            sys.stderr.write(f"{name}: {problem['msg']}\n")
        return 2
    except SettingsError as error:
        sys.stderr.write(_not_json(error) + "\n")
        return 2
    refusal = why_not(settings, options.host)
    if refusal is not None:
        sys.stderr.write(refusal + "\n")
        return 2
    keep_memory()
    stop_tracing = start_tracing(settings.tracing)
    server = DrainingServer(
        uvicorn.Config(
            create_app(settings),
            host=options.host,
            port=options.port,
            log_config=None,
            access_log=False,
            http=ImpatientProtocol,
            server_header=False,
            timeout_graceful_shutdown=options.drain,
        ),
        linger_s=options.linger,
    )
    server.run()
    stop_tracing()
    return 0 if server.started else 3


def _not_json(error: SettingsError) -> str:
    """The sentence for a variable that holds a list or a table, and not as JSON; the library names its field."""
    field = str(error).partition('"')[2].partition('"')[0]
    name = f"TELLTALE_{field}".upper()
    given = sorted(each for each in os.environ if each.upper() == name or each.upper().startswith(f"{name}__"))
    return f'{" or ".join(given) or name}: lists and tables are written as JSON, such as ["https://example.com"].'


def why_not(settings: Settings, host: str) -> str | None:
    """Why these settings must not be served on that address; None where they may."""
    if settings.auth.keys_file is not None:
        try:
            KeyFile(settings.auth.keys_file).listed()
        except MalformedKeyFile as error:
            return f"TELLTALE_AUTH__KEYS_FILE: {error}. `telltale-gateway keys create NAME` makes one."
    if settings.auth.on or settings.allow_anonymous or is_loopback(host):
        return None
    return (
        f"Refusing to serve {host} without authentication: anyone who reaches it could use it. Set "
        "TELLTALE_AUTH__KEYS_FILE (`telltale-gateway keys create NAME` makes it), serve a loopback address, or set "
        "TELLTALE_ALLOW_ANONYMOUS=true."
    )


if __name__ == "__main__":
    sys.exit(main())
