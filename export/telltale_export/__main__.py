"""``python -m telltale_export``: train, evaluate and check detectors."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from telltale_export.cli import run

_INTERRUPTED = 128 + signal.SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 2 when the caller has something to put right, 128 + N on signal N."""
    with _unwinding():
        try:
            return run(sys.argv[1:] if arguments is None else arguments)
        except KeyboardInterrupt:
            return _INTERRUPTED


@contextmanager
def _unwinding() -> Iterator[None]:
    """Have SIGTERM and SIGHUP end what runs as Ctrl-C does: what is half-written is taken away on the way out."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    raise SystemExit(main())
