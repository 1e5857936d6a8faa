"""Where uploads lie: the first few, as far as they are small, in memory, and all others in files without a name.

To write a file takes longer than to receive it, and so does every copy: in memory an upload lies in the pieces in which
it came, and is read and sent on in these. What lies in memory is bounded, however many send at once.
"""

from __future__ import annotations

import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import BinaryIO, Self

IN_MEMORY_BYTES = 8 << 20
"""Up to how many of an upload are kept as memory."""
_PREFIX = "telltale-"
# Of smaller pieces the objects around them would be as large as they are.
_SHORT = 1 << 16
_READ_AT_ONCE = 1 << 20


class Spool:
    """Bytes that are written from the start to the end and read anywhere meanwhile; a context manager."""

    def __init__(self, in_memory: int = 0) -> None:
        """``in_memory``: up to how many bytes lie there; when there are more, all of them lie in a file.

        Raises:
            OSError: the file cannot be opened.
        """
        self._in_memory = in_memory
        # Whole pieces, and the place where each begins; then what is too short to be one.
        self._pieces: list[bytes | memoryview] = []
        self._places: list[int] = []
        self._rest = bytearray()
        self._size = 0
        self._file = _opened() if in_memory == 0 else None

    @classmethod
    def of(cls, content: bytes) -> Self:
        """One that holds this, in memory."""
        spool = cls(max(1, len(content)))
        spool.write(content)
        return spool

    @property
    def size(self) -> int:
        """How many bytes were written."""
        return self._size

    def write(self, data: bytes | memoryview) -> int:
        """Append; what is large and cannot be changed is kept as it is.

        Raises:
            OSError: there is no room.
        """
        length = len(data)
        if self._file is None and self._size + length > self._in_memory:
            self._move()
        if self._file is not None:
            self._file.write(data)
        elif length >= _SHORT and isinstance(data.obj if isinstance(data, memoryview) else data, bytes):
            self._close_rest()
            self._keep(data)
        else:
            self._rest += data
            if len(self._rest) >= _SHORT:
                self._close_rest()
        self._size += length
        return length

    def flush(self) -> None:
        """Hand what was written to the file, where it lies in one.

        Raises:
            OSError: there is no room.
        """
        if self._file is not None:
            self._file.flush()

    def read_at(self, place: int, most: int = _READ_AT_ONCE) -> bytes | memoryview:
        """A piece that begins at a place: at least one byte and at most ``most``, none at the end."""
        if place >= self._size:
            return b""
        if self._file is not None:
            self._file.flush()
            return os.pread(self._file.fileno(), most, place)
        number = bisect_right(self._places, place) - 1
        if number >= 0:
            piece, inside = self._pieces[number], place - self._places[number]
            if inside < len(piece):
                return memoryview(piece)[inside : inside + most]
        inside = place - self._size + len(self._rest)
        return bytes(self._rest[inside : inside + most])

    def snapshot(self) -> Snapshot:
        """What was written so far, for a thread that may go on when this is closed; whoever asks for it closes it."""
        if self._file is None:
            return Snapshot((*self._pieces, bytes(self._rest)))
        self._file.flush()
        return Snapshot((), os.dup(self._file.fileno()), self._size)

    def close(self) -> None:
        """Forget it all."""
        self._pieces, self._places, self._rest, self._size = [], [], bytearray(), 0
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, piece: bytes | memoryview) -> None:
        self._places.append(self._places[-1] + len(self._pieces[-1]) if self._pieces else 0)
        self._pieces.append(piece)

    def _close_rest(self) -> None:
        if self._rest:
            self._keep(bytes(self._rest))
            self._rest = bytearray()

    def _move(self) -> None:
        self._file = _opened()
        for piece in (*self._pieces, self._rest):
            self._file.write(piece)
        self._pieces, self._places, self._rest = [], [], bytearray()


class Snapshot:
    """What a spool held at one moment."""

    def __init__(self, pieces: tuple[bytes | memoryview, ...], descriptor: int | None = None, size: int = 0) -> None:
        """Pieces, or so many bytes of a file."""
        self._pieces = pieces
        self._descriptor = descriptor
        self._size = size

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """Its pieces, once; then nothing of it is open."""
        if self._descriptor is None:
            yield from self._pieces
            return
        place = 0
        try:
            while piece := os.pread(self._descriptor, min(_READ_AT_ONCE, self._size - place), place):
                place += len(piece)
                yield piece
        finally:
            os.close(self._descriptor)


class Spools:
    """Opens spools for uploads; nothing of them stays, whatever happens."""

    def __init__(self, *, in_memory: int, bytes_each: int = IN_MEMORY_BYTES) -> None:
        """``in_memory``: how many at once may lie there, up to ``bytes_each``; what grows larger goes to a file."""
        self._in_memory = in_memory
        self._bytes_each = bytes_each
        self._begun = 0

    @contextmanager
    def opened(self) -> Iterator[Spool]:
        """An empty one."""
        if self._begun >= self._in_memory:
            with Spool() as spool:
                yield spool
            return
        self._begun += 1
        try:
            with Spool(self._bytes_each) as spool:
                yield spool
        finally:
            self._begun -= 1


def _opened() -> BinaryIO:
    return tempfile.TemporaryFile(prefix=_PREFIX)
