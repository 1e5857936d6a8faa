"""Where uploads lie: the first few, as far as they are small, in memory, and all others in files without a name.

To write a file takes longer than to receive it. What lies in memory is bounded, however many send at once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

IN_MEMORY_BYTES = 8 << 20
"""Up to how many of an upload are kept, or read again, as one piece of memory."""
_PREFIX = "telltale-"


class Spools:
    """Opens files for uploads; nothing of them stays, whatever happens."""

    def __init__(self, *, in_memory: int, bytes_each: int = IN_MEMORY_BYTES) -> None:
        """``in_memory``: how many at once may lie there, up to ``bytes_each``; what grows larger goes to a file."""
        self._in_memory = in_memory
        self._bytes_each = bytes_each
        self._begun = 0

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """An empty file."""
        if self._begun >= self._in_memory:
            with tempfile.TemporaryFile(prefix=_PREFIX) as file:
                yield file
            return
        self._begun += 1
        try:
            with tempfile.SpooledTemporaryFile(self._bytes_each, prefix=_PREFIX) as file:
                yield cast("BinaryIO", file)
        finally:
            self._begun -= 1


def size_of(file: BinaryIO) -> int:
    """How much of a file is there, written back or not."""
    return file.seek(0, os.SEEK_END)


def read_at(file: BinaryIO, place: int, most: int) -> bytes:
    """A piece of a file, which stands at its end afterwards: whoever writes it goes on there."""
    file.seek(place)
    piece = file.read(most)
    file.seek(0, os.SEEK_END)
    return piece
