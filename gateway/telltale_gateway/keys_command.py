"""``telltale-gateway keys``: create, list and revoke API keys in the file that gateways read."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from telltale_gateway.security import SCOPES, KeyFile, MalformedKeyFile
from telltale_gateway.security.keys import DEFAULT_RATE

_VARIABLE = "TELLTALE_AUTH__KEYS_FILE"


def add_keys_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add it to a command line."""
    keys = commands.add_parser("keys", help="create, list and revoke API keys")
    keys.add_argument(
        "--file", type=Path, default=os.environ.get(_VARIABLE), help=f"the file of keys (default: {_VARIABLE})"
    )
    actions = keys.add_subparsers(required=True)
    create = actions.add_parser("create", help="make a key; it is shown once")
    create.add_argument("name", help="whose it is, for the list")
    create.add_argument("--scope", action="append", choices=SCOPES, help="may be given twice; default: analyse")
    create.add_argument("--rate", type=int, default=DEFAULT_RATE, help=f"requests a minute; default: {DEFAULT_RATE}")
    create.set_defaults(action=_create)
    listing = actions.add_parser("list", help="all keys by their prefix")
    listing.set_defaults(action=_list)
    revoke = actions.add_parser("revoke", help="let a key in no more, from the next request on")
    revoke.add_argument("prefix", help="tt_ and eight digits, as listed")
    revoke.set_defaults(action=_revoke)


def run_keys_command(options: argparse.Namespace) -> int:
    """Do it; 0 when it was done, 1 when it was not, 2 when no file was named."""
    if options.file is None:
        sys.stderr.write(f"No file of keys is named: give --file, or set {_VARIABLE}.\n")
        return 2
    try:
        status: int = options.action(KeyFile(options.file), options)
    except (MalformedKeyFile, OSError) as error:
        sys.stderr.write(f"{options.file}: {error}\n")
        return 1
    return status


def _create(keys: KeyFile, options: argparse.Namespace) -> int:
    try:
        text, key = keys.create(options.name, frozenset(options.scope or ["analyse"]), options.rate)
    except ValidationError as error:
        for fault in error.errors():
            sys.stderr.write(f"{fault['loc'][0]}: {fault['msg']}\n")
        return 1
    sys.stderr.write(f"{key.prefix} may {' and '.join(sorted(key.scopes))}. It is shown now and never again:\n")
    sys.stdout.write(text + "\n")
    return 0


def _list(keys: KeyFile, options: argparse.Namespace) -> int:  # noqa: ARG001 every action takes them
    for key in keys.listed():
        scopes = ",".join(sorted(key.scopes))
        line = (
            f"{key.prefix}  {key.created_at:%Y-%m-%d}  {scopes:<15}  {key.requests_per_minute:>6} a minute  {key.name}"
        )
        sys.stdout.write(line + "\n")
    return 0


def _revoke(keys: KeyFile, options: argparse.Namespace) -> int:
    revoked = keys.revoke(options.prefix)
    if revoked is None:
        sys.stderr.write(f"There is no key {options.prefix}.\n")
        return 1
    sys.stderr.write(f"{revoked.prefix} ({revoked.name}) is revoked.\n")
    return 0
