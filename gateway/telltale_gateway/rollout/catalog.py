"""The model repository as it lies on disk: detectors, their versions, and which one is to answer."""

from __future__ import annotations

from collections.abc import Mapping
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
    Rollout,
    VersionCard,
    artifact_digest,
    artifact_files,
)

MANIFEST_FILE = "detector.yaml"
ROLLOUT_FILE = "rollout.yaml"


@dataclass(frozen=True)
class Release:
    """One version on disk whose bytes are those that its card describes, with the inputs of its golden check."""

    card: VersionCard
    golden: NDArray[np.generic] = field(repr=False)


@dataclass(frozen=True)
class CatalogEntry:
    """One detector: what it is, which versions are wanted, and those of them that are sound.

    ``unsound`` says of each wanted version that is not what is wrong with it.
    """

    manifest: DetectorManifest
    rollout: Rollout
    releases: Mapping[int, Release]
    unsound: Mapping[int, str]


@dataclass(frozen=True)
class Catalog:
    """All detectors of a repository.

    ``unreadable`` says of folders that claim to be one why they cannot be read; where one could be read before, its
    entry is the last that could.
    """

    entries: Mapping[str, CatalogEntry]
    unreadable: Mapping[str, str]


class UnsoundVersion(ValueError):
    """A version folder that is not what its card says."""


def read_catalog(repository: Path, known: Catalog | None = None) -> Catalog:
    """Read a repository. Versions never change once they are there, so those already ``known`` are not read again,
    and stay known while their folder does.

    Raises:
        OSError: the repository itself cannot be listed.
    """
    entries: dict[str, CatalogEntry] = {}
    unreadable: dict[str, str] = {}
    for folder in sorted(repository.iterdir()):
        if not (folder / MANIFEST_FILE).is_file():
            continue
        before = known.entries.get(folder.name) if known else None
        try:
            entries[folder.name] = _read_entry(folder, before)
        except (OSError, ValueError, yaml.YAMLError) as error:
            unreadable[folder.name] = _sentence(error)
            if before is not None:
                entries[folder.name] = before
    return Catalog(entries, unreadable)


def _read_entry(folder: Path, known: CatalogEntry | None) -> CatalogEntry:
    manifest = DetectorManifest.from_yaml(folder / MANIFEST_FILE)
    if manifest.name != folder.name:
        raise ValueError(f"{MANIFEST_FILE} names the detector {manifest.name}, its folder {folder.name}")
    rollout = Rollout.from_yaml(folder / ROLLOUT_FILE)
    if rollout.canary or rollout.shadow:
        raise ValueError(f"{ROLLOUT_FILE} asks for a canary or a shadow, which this gateway does not serve")
    releases = {v: release for v, release in known.releases.items() if (folder / str(v)).is_dir()} if known else {}
    unsound: dict[int, str] = {}
    for version in rollout.served():
        if version in releases:
            continue
        try:
            releases[version] = _read_release(folder / str(version), manifest.name, version)
        except (OSError, ValueError, SafetensorError, yaml.YAMLError) as error:
            unsound[version] = _sentence(error)
    return CatalogEntry(manifest, rollout, releases, unsound)


def _read_release(folder: Path, detector: str, version: int) -> Release:
    card = VersionCard.from_yaml(folder / CARD_FILE)
    if (card.detector, card.version) != (detector, version):
        raise UnsoundVersion(f"its card describes {card.detector} {card.version}")
    files = artifact_files(folder)
    changed = sorted(
        name for name in files.keys() | card.artifact.files if files.get(name) != card.artifact.files.get(name)
    )
    if changed or artifact_digest(files) != card.artifact.sha256:
        raise UnsoundVersion(f"files are not those that its card describes: {', '.join(changed) or 'digest'}")
    golden = load_file(folder / GOLDEN_FILE).get("input")
    if golden is None or golden.ndim == 0 or golden.shape[0] != len(card.golden.scores):
        raise UnsoundVersion(f"{GOLDEN_FILE} does not hold one input for each of the card's golden scores")
    return Release(card, golden)


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{Path(error.filename).name} is missing"
    return str(error)
