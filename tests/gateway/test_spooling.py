"""Where uploads lie: in memory as long as few do, and they are small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from telltale_gateway.spooling import Spools, read_at, size_of


def files_open() -> int:
    """How many files without a name this process has open."""
    return sum("(deleted)" in str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink())


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
    with spools.opened() as file:
        file.write(bytes(1000))
        assert files_open() == before
        file.write(b"x")
        assert files_open() == before + 1
        assert size_of(file) == 1001
        assert read_at(file, 999, 10) == b"\0x"


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
    with Spools(in_memory=in_memory, bytes_each=1000).opened() as file:
        file.write(b"first ")
        assert read_at(file, 0, 3) == b"fir"
        file.write(b"second")
        assert read_at(file, 0, 100) == b"first second"
        assert read_at(file, 100, 1) == b""
