"""What a service's process keeps of the memory that it has given back, and that this is bounded."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Megabytes that are still resident once so many have been filled and let go.
KEPT = """
import resource, sys
from telltale_asgi.memory import keep_memory

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1e6

if sys.argv[1] == "kept":
    keep_memory()
before = resident()
filled = [b"x" * int(float(megabytes) * 1e6) for megabytes in sys.argv[2:]]
assert resident() - before > sum(map(float, sys.argv[2:])) * 0.9
del filled
print(resident() - before)
"""


def left(how: str, *megabytes: int) -> float:
    arguments = [sys.executable, "-c", KEPT, how, *map(str, megabytes)]
    return float(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)


def test_the_memory_of_a_bundle_is_kept_for_the_next() -> None:
    assert left("kept", 5, 10, 5) > 15
    assert left("as usual", 5, 10, 5) < 10


@pytest.mark.parametrize("megabytes", [(200,), (20,) * 10])
def test_what_is_kept_is_bounded(megabytes: tuple[int, ...]) -> None:
    assert left("kept", *megabytes) < 70
