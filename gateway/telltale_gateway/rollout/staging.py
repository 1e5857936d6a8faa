"""Taking a version's folder from outside into the repository, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from pydantic import ValidationError
from telltale_contracts import CARD_FILE, DetectorManifest, VersionCard

from telltale_gateway.errors import BadOrder, OrderRefused
from telltale_gateway.rollout.history import History
from telltale_gateway.rollout.releases import IncompleteVersion, Release, UnsoundVersion, read_release, sentence


def find_staged(path: str, root: Path | None) -> Path:
    """The folder that an order names.

    Raises:
        BadOrder: there is no staging root, or the folder does not lie below it.
    """
    if root is None:
        raise BadOrder(
            "This gateway has no staging root, so it takes in no folders.",
            "Set TELLTALE_STAGING_ROOT, or put the folder into the model repository yourself.",
        )
    try:
        base = root.resolve(strict=True)
        folder = (base / path).resolve(strict=True)
    except (OSError, ValueError) as error:
        raise BadOrder(f"There is no folder {path!r}.", "Name a folder below the staging root.") from error
    if base not in folder.parents or not folder.is_dir():
        raise BadOrder(f"{path!r} is no folder below the staging root.", "Name a folder below the staging root.")
    if any(item.is_symlink() for item in folder.rglob("*")):
        raise BadOrder(f"{path!r} holds links, which may lead anywhere.", "Put the files themselves there.")
    return folder


def card_of(folder: Path) -> VersionCard:
    """The card of a folder that is to be taken in.

    Raises:
        OrderRefused: there is none that can be read.
    """
    try:
        return VersionCard.from_yaml(folder / CARD_FILE)
    except (OSError, ValidationError, yaml.YAMLError) as error:
        raise OrderRefused(f"Its {CARD_FILE} cannot be read: {sentence(error)}", "Package the version anew.") from error


@contextmanager
def copied(folder: Path, home: Path, manifest: DetectorManifest, version: int, history: History) -> Iterator[Path]:
    """A copy beside its place in the repository, checked byte by byte; removed again unless it was moved away.

    Raises:
        OrderRefused: the copy is not what its card says, or its number already stood for other bytes.
    """
    if (home / str(version)).exists():
        raise OrderRefused(
            f"Version {version} of {manifest.name} is in the repository already.",
            "A version is never changed once it is there: give the new one a number of its own.",
        )
    place = Path(tempfile.mkdtemp(prefix=f".{manifest.name}-staging-", dir=home))
    try:
        copy = place / str(version)
        shutil.copytree(folder, copy)
        checked(copy, manifest, version, history)
        yield copy
    finally:
        shutil.rmtree(place, ignore_errors=True)


def checked(folder: Path, manifest: DetectorManifest, version: int, history: History) -> Release:
    """A version on disk that may be served.

    Raises:
        OrderRefused: it is not all there, not what its card says, or its number already stood for other bytes.
    """
    try:
        release = read_release(folder, manifest, version)
    except (IncompleteVersion, UnsoundVersion) as error:
        raise OrderRefused(f"Version {version} is refused: {error}.", "Package the version anew.") from error
    first = history.digest(version)
    if first is not None and first != release.sha256:
        raise OrderRefused(
            f"Version {version} already existed with other bytes (sha256 {first[:12]}, now {release.sha256[:12]}).",
            "Give the new bytes a number of their own.",
        )
    return release
