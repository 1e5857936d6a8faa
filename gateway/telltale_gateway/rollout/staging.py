"""Taking a version's folder from outside into the repository, whole or not at all."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from telltale_contracts import CARD_FILE, DetectorManifest, VersionCard

from telltale_gateway.errors import BadOrder, OrderRefused
from telltale_gateway.rollout.history import History
from telltale_gateway.rollout.releases import IncompleteVersion, Release, UnsoundVersion, read_release, sentence

_log = logging.getLogger(__name__)


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
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise OrderRefused(f"Its {CARD_FILE} cannot be read: {sentence(error)}", "Package the version anew.") from error


@contextmanager
def copied(
    folder: Path, home: Path, manifest: DetectorManifest, version: int, history: History
) -> Iterator[tuple[Path, Release]]:
    """A copy beside its place in the repository, checked byte by byte; removed again unless it was moved away.

    Raises:
        OrderRefused: the copy is not what its card says, or its number already stood for other bytes.
    """
    if (home / str(version)).exists():
        raise OrderRefused(
            f"Version {version} of {manifest.name} is in the repository already.",
            "A version is never changed once it is there: give the new one a number of its own.",
        )
    remove_left_over(home)
    place = Path(tempfile.mkdtemp(prefix=f".{manifest.name}-staging-", dir=home))
    try:
        with _held(place):
            copy = place / str(version)
            shutil.copytree(folder, copy)
            yield copy, checked(copy, manifest, version, history)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def remove_left_over(home: Path) -> None:
    """Remove copies that a gateway was killed over: those that nobody holds."""
    for place in home.glob(f".{home.name}-staging-*"):
        try:
            # One that is empty may just have been made, and not be held yet.
            if any(place.iterdir()):
                with _held(place):
                    shutil.rmtree(place)
        except BlockingIOError:
            continue
        except OSError as error:
            _log.warning("%s, which a gateway left behind, cannot be removed: %s", place, error)


@contextmanager
def _held(place: Path) -> Iterator[None]:
    """Hold a folder by a lock that ends with this process.

    Raises:
        BlockingIOError: somebody else holds it.
    """
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def checked(folder: Path, manifest: DetectorManifest, version: int, history: History) -> Release:
    """A version on disk that may be served.

    Raises:
        OrderRefused: it is not all there, not what its card says, or its number already stood for other bytes.
    """
    try:
        return read_release(folder, manifest, version, history.fixed(version))
    except (IncompleteVersion, UnsoundVersion) as error:
        raise OrderRefused(f"Version {version} is refused: {error}.", "Package it anew, as a new version.") from error
