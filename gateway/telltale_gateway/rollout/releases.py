"""One version as it lies on disk: all of it, and the bytes that its card describes."""

from __future__ import annotations

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
)

Footprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Release:
    """One version on disk whose bytes are those that its card describes, with the inputs of its golden check."""

    card: VersionCard
    golden: NDArray[np.generic] = field(repr=False)

    @property
    def sha256(self) -> str:
        """The digest of its artefact."""
        return self.card.artifact.sha256


class UnsoundVersion(ValueError):
    """A version folder that is not what its card says."""


class IncompleteVersion(ValueError):
    """A version folder of which a part is not there, or not yet."""


def footprint(folder: Path) -> Footprint:
    """Name, size and time of change of every file below a folder: while these change, somebody is still writing.

    Raises:
        OSError: the folder cannot be read, or a file vanished meanwhile.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            found.append((path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns))
    return tuple(found)


def read_release(folder: Path, manifest: DetectorManifest, version: int) -> Release:
    """Read one version and compare every byte with its card.

    Raises:
        IncompleteVersion: the card, or a file that it names, is not there.
        UnsoundVersion: the files are not those that the card describes, or not of this detector.
    """
    try:
        return _read(folder, manifest, version)
    except FileNotFoundError as error:
        raise IncompleteVersion(sentence(error)) from error
    except (OSError, ValidationError, SafetensorError, yaml.YAMLError) as error:
        raise UnsoundVersion(sentence(error)) from error


def _read(folder: Path, manifest: DetectorManifest, version: int) -> Release:
    card = VersionCard.from_yaml(folder / CARD_FILE)
    if (card.detector, card.version) != (manifest.name, version):
        raise UnsoundVersion(f"its card describes {card.detector} {card.version}")
    missing = sorted(name for name in card.artifact.files if not (folder / name).is_file())
    if missing:
        raise IncompleteVersion(f"{', '.join(missing)} is missing")
    files = artifact_files(folder)
    changed = sorted(
        name for name in files.keys() | card.artifact.files if files.get(name) != card.artifact.files.get(name)
    )
    if changed or artifact_digest(files) != card.artifact.sha256:
        raise UnsoundVersion(
            f"files are not those that its card describes by their sha256: {', '.join(changed) or 'digest'}"
        )
    golden = load_file(folder / GOLDEN_FILE).get("input")
    if golden is None or golden.ndim == 0 or golden.shape[0] != len(card.golden.scores):
        raise UnsoundVersion(f"{GOLDEN_FILE} does not hold one input for each of the card's golden scores")
    kind, shape = item_type(manifest.input), item_shape(manifest.input)
    if golden.dtype != np.dtype(kind) or golden.shape[1:] != shape:
        raise UnsoundVersion(
            f"its golden inputs are {golden.dtype} {list(golden.shape[1:])}, where detector.yaml asks for {kind} "
            f"{list(shape)}"
        )
    return Release(card, golden)


def sentence(error: Exception) -> str:
    """What went wrong with a file, in words for an operator."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{Path(error.filename).name} is missing"
    return str(error)
