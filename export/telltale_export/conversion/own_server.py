"""Verify with a server that is started for it and gone afterwards."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from telltale_contracts import DetectorManifest

from telltale_export.errors import ExportError, PackagingError

_LAUNCHER = "telltale_local"


def verify_with_own_server(version_dir: Path, manifest: DetectorManifest, options: list[str]) -> None:
    """Run ``verify`` inside local-serving's launcher, which starts the manifest's server and stops it after.

    Args:
        version_dir: folder of the version.
        manifest: the detector's.
        options: what ``verify`` is given beside the folder.

    Raises:
        PackagingError: the version did not pass; what failed has been printed.
        ExportError: local-serving is not installed beside export.
    """
    if importlib.util.find_spec(_LAUNCHER) is None:
        raise ExportError(
            "No server was given, and local-serving, which could start one, is not installed here.",
            "Give --served-triton or --served-tfserving, or --not-served to compare source and artefact only.",
        )
    folder = version_dir.resolve()
    again = [sys.executable, "-m", "telltale_export", "verify", str(folder), "--load", *options]
    launcher = [sys.executable, "-m", _LAUNCHER, "run", "--only", manifest.server]
    repository = ["--model-repository", str(folder.parent.parent)]
    if subprocess.run([*launcher, *repository, "--", *again], check=False).returncode != 0:
        raise PackagingError(
            f"{manifest.name} {folder.name} did not pass; what failed is said above.", "Do not serve it."
        )
