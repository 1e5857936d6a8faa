"""The API keys that a new stack begins with, in the file that gateways read (telltale_gateway/security/keys.py).

Written with the standard library alone, because a host that runs the stack has nothing else; a test has the gateway
itself read what is made here.
"""

import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from _steps import SetupError, say

KEY = re.compile(r"tt_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")
PREFIX_LENGTH = len("tt_01234567")


@dataclass(frozen=True)
class FirstKey:
    """Whose it is, what it may do, and the file that holds its text."""

    file: str
    name: str
    scopes: tuple[str, ...]
    requests_per_minute: int


# Clients are given what nginx lets one address ask (TELLTALE_EDGE_REQUESTS_PER_S); Prometheus asks six times a minute.
FIRST_KEYS = (
    FirstKey("telltale_operator_key", "operator", ("analyse", "operate"), 600),
    FirstKey("telltale_api_key", "first client", ("analyse",), 600),
    FirstKey("telltale_metrics_key", "prometheus", ("analyse",), 60),
)


def make_first_keys(folder: Path) -> list[Path]:
    """Make `keys/keys.json` in the folder of the secrets, and the text of each key; the files that were made.

    Nothing is made where there is a keys.json: what it lacks was revoked, or its text was handed over and deleted.

    Raises:
        SetupError: a text is there that is no key.
    """
    index = folder / "keys/keys.json"
    if index.exists():
        return []
    made: list[Path] = []
    records = []
    for key in FIRST_KEYS:
        path = folder / key.file
        if not path.exists():
            write_secret(path, f"tt_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}")
            made.append(path)
        records.append(_record(key, path))
    write_secret(index, json.dumps({"keys": records}, indent=1) + "\n")
    return [*made, index, index.parent]


def write_secret(path: Path, text: str) -> None:
    """Write a file that was not there, for its owner alone, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    say(f"{path.parent.name}/{path.name} is made")


def _record(key: FirstKey, path: Path) -> dict[str, object]:
    text = path.read_text(encoding="utf-8").strip()
    if not KEY.fullmatch(text):
        raise SetupError(f"{path} holds no key as this stack makes them. Move it away, and run this again.")
    return {
        "prefix": text[:PREFIX_LENGTH],
        "name": key.name,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "scopes": list(key.scopes),
        "requests_per_minute": key.requests_per_minute,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
