"""One version as it lies on disk: all of it, and the bytes that its card describes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file
from telltale_contracts import (
    CARD_FILE,
    GOLDEN_FILE,
    DetectorManifest,
    VersionCard,
    artifact_digest,
    artifact_files,
    item_shape,
    item_type,
    read_yaml,
)

Footprint = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Release:
    """One version on disk whose bytes are those that its card describes, with the inputs of its golden check."""

    card: VersionCard
    golden: NDArray[np.generic] = field(repr=False)
    card_sha256: str | None = None

    @property
    def sha256(self) -> str:
        """The digest of its artefact."""
        return self.card.artifact.sha256


class UnsoundVersion(ValueError):
    """A version folder that is not what its card says."""


class IncompleteVersion(ValueError):
    """A version folder of which a part is not there, or not yet."""


class UnreadVersion(IncompleteVersion):
    """A version folder that is all there, as far as is known, and is still being read."""


@dataclass(frozen=True)
class Fixed:
    """What a version's number stands for since it was taken in: the digests of its artefact and of its card, each None
    where nobody wrote it down."""

    sha256: str | None = None
    card_sha256: str | None = None

    def compare(self, card: VersionCard, card_sha256: str) -> None:
        """Raises:
        UnsoundVersion: a version of that number is another one.
        """
        now = card.artifact.sha256
        if self.sha256 not in {None, now}:
            raise UnsoundVersion(
                f"it already existed with other bytes (sha256 {str(self.sha256)[:12]}, now {now[:12]}); give the new "
                "bytes a number of their own"
            )
        if self.card_sha256 not in {None, card_sha256}:
            raise UnsoundVersion(
                f"its {CARD_FILE} is not the one that was taken in (sha256 {str(self.card_sha256)[:12]}, now "
                f"{card_sha256[:12]}); put that one back, or give the new one a number of its own"
            )


def footprint(folder: Path) -> Footprint:
    """Name, size and times of every file below a folder: while these change, somebody is still writing.

    With the time of its last change of state, which nobody can set: a file that was other for a moment shows, also
    when it came back with the time that it had.

    Raises:
        OSError: the folder cannot be read, or a file vanished meanwhile.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            found.append((path.relative_to(folder).as_posix(), stamp))
    return tuple(found)


def read_release(folder: Path, manifest: DetectorManifest, version: int, fixed: Fixed) -> Release:
    """Read one version and compare every byte with its card, and that with what the number stands for.

    Raises:
        IncompleteVersion: the card, or a file that it names, is not there.
        UnsoundVersion: the files are not those that the card describes, not of this detector, or not those of before.
    """
    try:
        card, card_sha256 = _read_card(folder, manifest, version, fixed)
        _compare_files(folder, card)
        return Release(card, _read_golden(folder, card, manifest), card_sha256)
    except FileNotFoundError as error:
        raise IncompleteVersion(sentence(error)) from error
    except (OSError, ValidationError, SafetensorError, yaml.YAMLError) as error:
        raise UnsoundVersion(sentence(error)) from error


@dataclass(frozen=True)
class Seal:
    """A version's files as they were when they were read and found sound, to see later whether they still are."""

    place: Path
    manifest: DetectorManifest
    release: Release
    files: Footprint = field(repr=False)

    def touched(self) -> str | None:
        """How the files differ now by their names, sizes and times; None where they do not."""
        try:
            found = footprint(self.place)
        except OSError as error:
            return sentence(error)
        if found == self.files:
            return None
        others = sorted({name for name, _ in {*found} ^ {*self.files}})
        return f"{', '.join(others)} was just changed"

    def broken(self) -> str | None:
        """How the files differ, or have since been different, also byte by byte; None where they never were.

        What a file system says of times may be old where it is shared; what it gives to read is not. Blocks meanwhile.
        """
        touched = self.touched()
        if touched is not None:
            return touched
        fixed = Fixed(self.release.sha256, self.release.card_sha256)
        try:
            read_release(self.place, self.manifest, self.release.card.version, fixed)
        except (IncompleteVersion, UnsoundVersion) as error:
            return str(error)
        return self.touched()


def check_card(folder: Path, manifest: DetectorManifest, version: int, fixed: Fixed) -> None:
    """Compare a version's card alone with what its number stands for, which tells other bytes without reading them.

    Raises:
        UnsoundVersion: it is another version, or has no card that can be read.
    """
    try:
        _read_card(folder, manifest, version, fixed)
    except (OSError, ValidationError, yaml.YAMLError) as error:
        raise UnsoundVersion(sentence(error)) from error


def _read_card(folder: Path, manifest: DetectorManifest, version: int, fixed: Fixed) -> tuple[VersionCard, str]:
    text = (folder / CARD_FILE).read_bytes()
    try:
        document = read_yaml(text)
    except yaml.YAMLError as error:
        raise UnsoundVersion(f"its {CARD_FILE} cannot be read: {type(error).__name__}: {error}") from error
    card, digest = VersionCard.model_validate(document), hashlib.sha256(text).hexdigest()
    if (card.detector, card.version) != (manifest.name, version):
        raise UnsoundVersion(f"its card describes {card.detector} {card.version}")
    fixed.compare(card, digest)
    return card, digest


def _compare_files(folder: Path, card: VersionCard) -> None:
    named = card.artifact.files
    missing = sorted(name for name in named if not (folder / name).is_file())
    if missing:
        raise IncompleteVersion(f"{', '.join(missing)} is missing")
    # What is too much is told before all the rest is read.
    changed = [name for name, _ in footprint(folder) if name not in named and name != CARD_FILE]
    if not changed:
        files = artifact_files(folder)
        changed = sorted(name for name in files.keys() | named if files.get(name) != named.get(name))
        if not changed and artifact_digest(files) == card.artifact.sha256:
            return
    raise UnsoundVersion(
        f"files are not those that its card describes by their sha256: {', '.join(changed) or 'digest'}"
    )


def _read_golden(folder: Path, card: VersionCard, manifest: DetectorManifest) -> NDArray[np.generic]:
    golden = load_file(folder / GOLDEN_FILE).get("input")
    if golden is None or golden.ndim == 0 or golden.shape[0] != len(card.golden.scores):
        raise UnsoundVersion(f"{GOLDEN_FILE} does not hold one input for each of the card's golden scores")
    kind, shape = item_type(manifest.input), item_shape(manifest.input)
    if golden.dtype != np.dtype(kind) or golden.shape[1:] != shape:
        raise UnsoundVersion(
            f"its golden inputs are {golden.dtype} {list(golden.shape[1:])}, where detector.yaml asks for {kind} "
            f"{list(shape)}"
        )
    return golden


def sentence(error: Exception) -> str:
    """What went wrong with a file, in words for an operator."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{Path(error.filename).name} is missing"
    return str(error)
