"""``check``: is a model repository what its cards say?"""

from __future__ import annotations

import argparse
from pathlib import Path

from telltale_export.cli import Commands


def register(commands: Commands) -> None:
    """Add ``check``."""
    parser = commands.add("check", None, "Check every version in a model repository against its card.", _check)
    parser.add_argument("repository", type=Path, help="the model repository")


def _check(options: argparse.Namespace) -> None:
    from telltale_export.packaging.check import check_repository  # noqa: PLC0415 - heavy

    for report in check_repository(options.repository):
        print(
            f"{report.detector}:{report.version} {report.artifact_sha256[:12]} "
            f"golden scores within {report.golden_difference:.1e}"
        )
