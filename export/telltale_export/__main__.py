"""``python -m telltale_export``: train, evaluate and check detectors."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from telltale_export.cli import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 2 when the caller has something to put right."""
    return run(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    raise SystemExit(main())
