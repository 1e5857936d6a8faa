"""API keys in a file: only digests are stored, so whoever reads the file can use none of them.

A key carries 256 random bits, so one round of SHA-256 is enough: there is nothing to guess that a slow hash would
protect (OWASP Password Storage Cheat Sheet; NIST SP 800-63B 5.1.2.2 for look-up secrets of 112 bits and more).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from telltale_gateway.security.caller import Caller, Scope

DEFAULT_RATE = 120
_MARK = "tt"
_Stamp = tuple[int, int, int]


class MalformedKeyFile(Exception):
    """The file of keys is missing, cannot be read, or does not hold keys."""


class ApiKey(BaseModel):
    """One key, without the key; ``sha256`` is the digest of the whole of it in hex."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: str = Field(pattern=r"^tt_[0-9a-f]{8}$")
    name: str = Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: frozenset[Scope] = Field(min_length=1)
    requests_per_minute: int = Field(ge=1, le=1_000_000)
    created_at: AwareDatetime

    @property
    def caller(self) -> Caller:
        """Who sends it."""
        return Caller(f"key {self.prefix} ({self.name})", self.scopes, self.requests_per_minute)


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[ApiKey, ...] = ()


class KeyFile:
    """The keys of one file, read again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: _Stamp | None = None
        self._by_digest: Mapping[str, ApiKey] = {}

    def find(self, key: str) -> ApiKey | None:
        """The key whose text this is, by its digest, so that the time it takes says nothing about any key.

        Raises:
            MalformedKeyFile: the file is away or damaged; nobody is let in by what it used to say.
        """
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._by_digest = {each.sha256: each for each in self._read().keys}
            self._stamp = stamp
        return self._by_digest.get(_digest(key))

    def listed(self) -> tuple[ApiKey, ...]:
        """All keys, oldest first.

        Raises:
            MalformedKeyFile: the file cannot be read as keys.
        """
        return self._read().keys

    def create(
        self, name: str, scopes: frozenset[Scope], requests_per_minute: int = DEFAULT_RATE
    ) -> tuple[str, ApiKey]:
        """Add a key; its text, which is kept nowhere, and what is kept.

        Raises:
            MalformedKeyFile: the file is there and cannot be read as keys.
            pydantic.ValidationError: the name, the scopes or the rate cannot be.
        """
        prefix = f"{_MARK}_{secrets.token_hex(4)}"
        text = f"{prefix}_{secrets.token_urlsafe(32)}"
        key = ApiKey(
            prefix=prefix,
            name=name,
            sha256=_digest(text),
            scopes=scopes,
            requests_per_minute=requests_per_minute,
            created_at=datetime.now(UTC),
        )
        with self._changing() as keys:
            keys.append(key)
        return text, key

    def revoke(self, prefix: str) -> ApiKey | None:
        """Remove the key of that prefix; None where there is none.

        Raises:
            MalformedKeyFile: the file cannot be read as keys.
        """
        with self._changing() as keys:
            found = next((key for key in keys if key.prefix == prefix), None)
            if found is not None:
                keys.remove(found)
        return found

    @contextmanager
    def _changing(self) -> Iterator[list[ApiKey]]:
        """The keys, to be changed; replaced by one rename, so that no reader ever sees half of them."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(self._path.suffix + ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = list(self._read().keys) if self._path.exists() else []
            yield keys
            descriptor, fresh = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
            try:
                with os.fdopen(descriptor, "w") as stream:  # mkstemp's mode: the owner alone may read it
                    stream.write(_Document(keys=tuple(keys)).model_dump_json(indent=1) + "\n")
                    stream.flush()
                    os.fsync(stream.fileno())
                Path(fresh).replace(self._path)
            except BaseException:
                Path(fresh).unlink(missing_ok=True)
                raise

    def _stamp_now(self) -> _Stamp:
        try:
            status = self._path.stat()
        except OSError as error:
            raise MalformedKeyFile(f"the file of keys cannot be read: {error.strerror}") from error
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> _Document:
        try:
            return _Document.model_validate_json(self._path.read_bytes())
        except OSError as error:
            raise MalformedKeyFile(f"the file of keys cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise MalformedKeyFile(f"the file of keys does not hold keys: {error.error_count()} faults") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
