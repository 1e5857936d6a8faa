"""One way to say which bytes a version is made of, used by whoever writes one and whoever checks one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

CARD_FILE = "card.yaml"
GOLDEN_FILE = "golden.safetensors"
_CHUNK = 1 << 20


def artifact_files(version_dir: Path) -> dict[str, str]:
    """The sha256 of every file of a version but its card, by POSIX path relative to the version's folder.

    Raises:
        OSError: a file cannot be read.
    """
    digests = {}
    for path in sorted(p for p in version_dir.rglob("*") if p.is_file()):
        name = path.relative_to(version_dir).as_posix()
        if name != CARD_FILE:
            digests[name] = _file_sha256(path)
    return digests


def artifact_digest(files: Mapping[str, str]) -> str:
    """One digest for all files: sha256 over the lines of ``sha256sum``, sorted by path."""
    listing = "".join(f"{files[name]}  {name}\n" for name in sorted(files))
    return hashlib.sha256(listing.encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
