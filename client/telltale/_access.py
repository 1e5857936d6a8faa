"""Which gateway a command asks, and what lets it in: ``--url`` and the environment."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

_URL = "http://127.0.0.1:8000"
_HELP = f"the gateway (TELLTALE_URL, or {_URL})"


@dataclass(frozen=True)
class Access:
    """An address, and a key or a token where the environment holds one."""

    url: str
    api_key: str | None
    token: str | None


def add_url_option(parser: argparse.ArgumentParser) -> None:
    """Let it be named before the command."""
    parser.add_argument("--url", default=os.environ.get("TELLTALE_URL", _URL), help=_HELP)


def url_after_the_command() -> argparse.ArgumentParser:
    """A parent for the parsers of commands: there it may be named too, and is left as it was where it is not."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--url", default=argparse.SUPPRESS, help=_HELP)
    return parent


def access_of(options: argparse.Namespace) -> Access:
    """What was named, and what the environment holds.

    Raises:
        ValueError: the environment holds a key and a token.
    """
    key, token = os.environ.get("TELLTALE_API_KEY"), os.environ.get("TELLTALE_TOKEN")
    if key and token:
        raise ValueError(
            "TELLTALE_API_KEY and TELLTALE_TOKEN are both set, and a gateway takes one of them. Unset the other."
        )
    return Access(options.url, key, token)
