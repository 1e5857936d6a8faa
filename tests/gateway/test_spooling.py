"""Where uploads lie: in memory as long as few do, and they are small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telltale_gateway.spooling import Spool, Spools

LARGE = bytes(range(256)) * 300


def files_open() -> int:
    """How many files without a name this process has open."""
    return sum("(deleted)" in str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink())


def content(spool: Spool) -> bytes:
    """All that can be read of it, from the start."""
    found = b""
    while piece := spool.read_at(len(found)):
        found += piece
    return found


@pytest.fixture
def spools() -> Spools:
    return Spools(in_memory=2, bytes_each=1000)


@pytest.fixture
def before() -> Iterator[int]:
    """Files without a name that others have; none is left over."""
    others = files_open()
    yield others
    assert files_open() == others


def test_a_small_one_is_in_memory_and_goes_to_a_file_when_it_grows(spools: Spools, before: int) -> None:
    with spools.opened() as spool:
        spool.write(bytes(1000))
        assert files_open() == before
        spool.write(b"x")
        assert files_open() == before + 1
        assert spool.size == 1001
        assert spool.read_at(999, 10) == b"\0x"


def test_when_enough_lie_there_others_are_files_until_one_is_gone(spools: Spools, before: int) -> None:
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(spools.opened())
        assert files_open() == before
        with spools.opened() as third:
            third.write(b"x")
            assert files_open() == before + 1
    with spools.opened():
        assert files_open() == before


@pytest.mark.parametrize("in_memory", [0, 1])
def test_whoever_reads_a_piece_does_not_disturb_the_writer(in_memory: int) -> None:
    with Spools(in_memory=in_memory, bytes_each=1000).opened() as spool:
        spool.write(b"first ")
        assert spool.read_at(0, 3) == b"fir"
        spool.write(b"second")
        assert spool.read_at(0, 100) == b"first second"
        assert spool.read_at(100, 1) == b""


@given(
    sizes=st.lists(st.sampled_from([0, 1, 7, 40_000, 65_535, 65_536, 70_000]), max_size=12),
    in_memory=st.sampled_from([0, 1, 65_536, 150_000, 1 << 20]),
    place=st.integers(0, 300_000),
    most=st.sampled_from([1, 1000, 100_000]),
)
def test_it_gives_what_it_was_given_wherever_it_lies(sizes: list[int], in_memory: int, place: int, most: int) -> None:
    written = b""
    with Spool(in_memory) as spool:
        for size in sizes:
            start = len(written) % 251
            written += LARGE[start : start + size]
            assert spool.write(memoryview(LARGE)[start : start + size]) == size
            assert content(spool) == written
        assert spool.size == len(written)
        piece = spool.read_at(place, most)
        assert bytes(piece) == written[place : place + len(piece)]
        assert len(piece) <= most
        assert bool(piece) == (place < len(written))
        snapshot = spool.snapshot()
        spool.write(b"more")
    assert b"".join(snapshot) == written


def test_what_could_change_is_copied() -> None:
    with Spool(1 << 20) as spool:
        written = bytearray(LARGE)
        spool.write(memoryview(written))
        written[:] = bytes(len(LARGE))
        assert content(spool) == LARGE


def test_large_pieces_are_kept_as_they_came_and_small_ones_are_put_together() -> None:
    with Spool(1 << 20) as spool:
        spool.write(memoryview(LARGE)[10:])
        piece = spool.read_at(0)
        assert isinstance(piece, memoryview)
        assert piece.obj is LARGE
        for number in range(70_000):
            spool.write(bytes([number % 251]))
        assert len(spool.read_at(len(LARGE) - 10)) == 65_536


def test_a_snapshot_outlives_what_it_is_of(before: int) -> None:
    for in_memory in (0, 1 << 20):
        with Spool(in_memory) as spool:
            spool.write(LARGE)
            snapshot = spool.snapshot()
        assert b"".join(snapshot) == LARGE
        assert files_open() == before
