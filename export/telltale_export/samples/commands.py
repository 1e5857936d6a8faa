"""``samples``: make the clips, stills and the voice that the demo analyses."""

from __future__ import annotations

import argparse
from pathlib import Path

from telltale_export.cli import Commands


def register(commands: Commands) -> None:
    """Add ``samples``."""
    parser = commands.add("samples", None, "Make genuine and forged samples from the public-domain portrait.", _samples)
    parser.add_argument("--portrait", type=Path, required=True, help="the portrait that scripts/assets.py fetches")
    parser.add_argument("--espeak", type=Path, help="espeak-ng's folder; beside the portrait when not given")
    parser.add_argument("--to", type=Path, required=True, help="the folder to write into")


def _samples(options: argparse.Namespace) -> None:
    from telltale_export.samples.make import make_samples  # noqa: PLC0415 - OpenCV and PyAV

    espeak = options.espeak or options.portrait.parent / "espeak"
    for path in make_samples(options.portrait, espeak, options.to):
        print(path)
