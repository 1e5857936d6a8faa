"""What the service and a worker say to each other: a kind, a length, a body.

Bodies are JSON or a finished bundle, never a pickle: a worker has read hostile media and is not to be believed.
"""

from __future__ import annotations

import enum
import socket
import struct
from dataclasses import dataclass

from pydantic import BaseModel
from telltale_contracts import Drawing, Recipe

HEADER = struct.Struct("<BQ")
LONGEST_PIECE = 1 << 18
"""Bytes of a drawing in one message, at most."""


class Kind(enum.IntEnum):
    """What a message is."""

    READY = 1
    """Worker: warmed, send a job. Empty."""
    JOB = 2
    """Service: a Job as JSON."""
    TIMINGS = 3
    """Worker: Timings as JSON; a BUNDLE follows."""
    BUNDLE = 4
    """Worker: TensorBundle.to_bytes()."""
    ERROR = 5
    """Worker: an ErrorMessage as JSON; it stays alive."""
    FAREWELL = 6
    """Worker: an ErrorMessage as JSON; it ends after it."""
    CHUNK = 7
    """Worker: some bytes of a drawing, as soon as there are any."""
    DONE = 8
    """Worker: the drawing is complete. Empty."""


class Job(BaseModel):
    """One request: where the upload can be read, and what is wanted of it."""

    path: str
    recipe: Recipe


class RenderJob(BaseModel):
    """One drawing: where what is drawn on can be read, and what is drawn."""

    path: str
    drawing: Drawing


class Timings(BaseModel):
    """Milliseconds of each stage, beside the bundle so that the service need not open it."""

    stages_ms: dict[str, float]


@dataclass(frozen=True)
class Answer:
    """A finished job."""

    bundle: bytes
    timings: Timings


def send(connection: socket.socket, kind: Kind, body: bytes = b"") -> None:
    """Send one message, blocking."""
    connection.sendall(HEADER.pack(kind, len(body)))
    connection.sendall(body)


def receive(connection: socket.socket) -> tuple[Kind, bytes] | None:
    """Wait for one message; None when the other side is gone."""
    header = _exactly(connection, HEADER.size)
    if header is None:
        return None
    kind, length = HEADER.unpack(header)
    body = _exactly(connection, length)
    return None if body is None else (Kind(kind), body)


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(min(length - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)
