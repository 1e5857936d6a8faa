"""What a service's process does with memory that it has given back: it keeps some of it for the next request."""

from __future__ import annotations

import ctypes

# mallopt(3): from how many bytes on a block is a mapping of its own, and how many lie free before they are returned.
_M_MMAP_THRESHOLD, _MAPPED_FROM = -3, 16 << 20
_M_TRIM_THRESHOLD, _KEPT = -1, 64 << 20


def keep_memory() -> None:
    """Have glibc keep up to 64 MB of free memory; once, by whoever starts the process.

    Uploads and bundles pass in pieces of megabytes. Returned to the kernel after each and asked for again, their pages
    are cleared and mapped anew every time, which takes longer than copying into them.
    """
    libc = ctypes.CDLL(None)
    for parameter, size in ((_M_MMAP_THRESHOLD, _MAPPED_FROM), (_M_TRIM_THRESHOLD, _KEPT)):
        if not libc.mallopt(parameter, size):
            raise OSError(f"mallopt({parameter}, {size}) is refused")
