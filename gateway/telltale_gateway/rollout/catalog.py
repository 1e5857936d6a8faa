"""The model repository as it lies on disk: detectors, their versions, and which one is to answer.

A folder is read when it is whole and has come to rest. Until then it is *arriving*, which is no error: copying may be
slow, and the card may come before the files that it describes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from telltale_contracts import DetectorManifest, Rollout

from telltale_gateway.rollout.history import HISTORY_FILE, History, read_history
from telltale_gateway.rollout.inspection import Inspector
from telltale_gateway.rollout.releases import IncompleteVersion, Release, Seal, UnreadVersion, UnsoundVersion, sentence

MANIFEST_FILE = "detector.yaml"
ROLLOUT_FILE = "rollout.yaml"
CONFIG_FILE = "config.pbtxt"


@dataclass(frozen=True)
class CatalogEntry:
    """One detector: what it is, what is wanted of its versions, and what was found of them.

    Every version folder is one of ``releases`` (sound), ``unsound`` (with what is wrong), ``arriving`` (with what is
    missing or not read yet), or has not been read because nothing is asked of it. ``reading`` counts how often the
    repository had been read, this time included.
    """

    manifest: DetectorManifest
    rollout: Rollout
    releases: Mapping[int, Release]
    unsound: Mapping[int, str]
    arriving: Mapping[int, str] = field(default_factory=dict)
    on_disk: frozenset[int] = frozenset()
    history: History = field(default_factory=History)
    reading: int = 0

    def missing(self, version: int) -> str:
        """Why there is no sound version of that number."""
        if version in self.arriving:
            return f"it is not all there: {self.arriving[version]}"
        return self.unsound.get(version, "there is no such version in the repository")


@dataclass(frozen=True)
class Catalog:
    """All detectors of a repository.

    ``unreadable`` says of folders that claim to be one why they cannot be read; where one could be read before, its
    entry is the last that could.
    """

    entries: Mapping[str, CatalogEntry]
    unreadable: Mapping[str, str]


@dataclass(frozen=True)
class Compared:
    """Versions whose files are not those that were read, with how they differ; and of the others, what to hold their
    files against after a load."""

    changed: Mapping[int, str]
    seals: Mapping[int, Seal]


class CatalogReader:
    """Reads a repository again and again, and what has not changed only once.

    ``settle_s``: seconds for which nothing of a folder must have changed before bytes that differ from its card's
    count as wrong rather than as still being copied. ``patience_s``: seconds that one reading waits for version folders
    that it has not read before; what takes longer is in a later one.
    """

    def __init__(self, repository: Path, settle_s: float, patience_s: float = 0.5) -> None:
        self._repository = repository
        self._settle_s = settle_s
        self._inspector = Inspector(settle_s, patience_s)
        self._readings = 0
        self._catalog: Catalog | None = None
        self._histories: dict[str, tuple[tuple[int, int], History]] = {}
        self._manifests: dict[str, tuple[tuple[int, int], float]] = {}

    @property
    def readings(self) -> int:
        """How often the repository has been read."""
        return self._readings

    def read(self) -> Catalog:
        """The repository now.

        Raises:
            OSError: the repository itself cannot be listed.
        """
        self._readings += 1
        self._inspector.begin()
        entries: dict[str, CatalogEntry] = {}
        unreadable: dict[str, str] = {}
        for folder in sorted(self._repository.iterdir()):
            if folder.name.startswith(".") or not (folder / MANIFEST_FILE).is_file():
                continue
            before = self._catalog.entries.get(folder.name) if self._catalog else None
            try:
                entries[folder.name] = self._read_entry(folder, before)
            except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
                if before is not None:
                    entries[folder.name] = before
                elif self._still_arriving(folder):
                    continue
                unreadable[folder.name] = sentence(error)
        self._inspector.forget({(name, version) for name, entry in entries.items() for version in entry.on_disk})
        self._catalog = Catalog(entries, unreadable)
        return self._catalog

    def compared(self, entry: CatalogEntry, versions: Iterable[int]) -> Compared:
        """What became on disk of versions that were read once and are perhaps loaded.

        Asked right before a load, as files may have been changed since the repository was read.
        """
        name = entry.manifest.name
        changed: dict[int, str] = {}
        seals: dict[int, Seal] = {}
        for version in versions:
            seal = self._inspector.seal((name, version))
            why = entry.unsound.get(version) or entry.arriving.get(version)
            if version not in entry.on_disk:
                why = why or "its folder is gone"
            why = why or (seal.touched() if seal is not None else None)
            if why is not None:
                changed[version] = why
            elif seal is not None:
                seals[version] = seal
        return Compared(changed, seals)

    def _read_entry(self, folder: Path, before: CatalogEntry | None) -> CatalogEntry:
        manifest = DetectorManifest.from_yaml(folder / MANIFEST_FILE)
        if manifest.name != folder.name:
            raise ValueError(f"{MANIFEST_FILE} names the detector {manifest.name}, its folder {folder.name}")
        history, rollout = self._state(folder, before.rollout if before is not None else None)
        on_disk = frozenset(_versions(folder))
        asked, live = _asked_for(rollout, history, on_disk), rollout.live
        releases: dict[int, Release] = {}
        unsound: dict[int, str] = {}
        arriving: dict[int, str] = {}
        for version in sorted(asked | on_disk):
            place = folder / str(version)
            try:
                if version not in asked:
                    self._inspector.check_at_rest(place, manifest, version, history)
                    continue
                if manifest.server == "triton" and not (folder / CONFIG_FILE).is_file():
                    raise IncompleteVersion(f"{CONFIG_FILE} is missing")
                in_use = version in rollout.served()
                releases[version] = self._inspector.release(place, manifest, version, history, in_use=in_use)
            except UnreadVersion as error:
                arriving[version] = str(error)
            except IncompleteVersion as error:
                (unsound if version == live else arriving)[version] = str(error)
            except UnsoundVersion as error:
                unsound[version] = str(error)
        return CatalogEntry(manifest, rollout, releases, unsound, arriving, on_disk, history, self._readings)

    def _state(self, folder: Path, before: Rollout | None) -> tuple[History, Rollout]:
        """A detector's history and the state that it led to, which are two files."""
        # In this order: who writes for the first time makes the file before the line.
        history = self._history(folder)
        while True:
            rollout = read_rollout(folder, history, before)
            # Later the line comes first, so that a state whose line was not there yet shows in a history read after it.
            after = self._history(folder)
            if after.events == history.events:
                return history, rollout
            history = after

    def _history(self, folder: Path) -> History:
        path = folder / HISTORY_FILE
        try:
            status = path.stat()
        except FileNotFoundError:
            return History()
        stamp = (status.st_size, status.st_mtime_ns)
        known = self._histories.get(folder.name)
        if known is None or known[0] != stamp:
            known = self._histories[folder.name] = (stamp, read_history(path))
        return known[1]

    def _still_arriving(self, folder: Path) -> bool:
        """Whether a folder that was never read yet is still being written; not at start, when all counts as settled."""
        if self._catalog is None:
            return False
        status = (folder / MANIFEST_FILE).stat()
        stamp = (status.st_size, status.st_mtime_ns)
        known = self._manifests.get(folder.name)
        if known is None or known[0] != stamp:
            known = self._manifests[folder.name] = (stamp, time.monotonic())
        return time.monotonic() - known[1] < self._settle_s


class MissingRollout(ValueError):
    """A detector whose versions have parts, and that has no rollout.yaml that says which."""


def read_rollout(folder: Path, history: History, before: Rollout | None = None) -> Rollout:
    """rollout.yaml; of a new detector that has none, that nothing is live yet. ``before`` is what it last was.

    Raises:
        MissingRollout: there is none, though its versions were given parts.
        OSError, ValueError, yaml.YAMLError: it cannot be read.
    """
    try:
        return Rollout.from_yaml(folder / ROLLOUT_FILE)
    except FileNotFoundError as error:
        had_none = before is None or before.live is None
        if had_none and all(event.action == "refuse" for event in history.events):
            return Rollout()
        # Taken for new, the detector would lose its live version with the next thing that is written.
        raise MissingRollout(f"{ROLLOUT_FILE} is missing, though versions of {folder.name} were given parts") from error


def _versions(folder: Path) -> Iterator[int]:
    for path in folder.iterdir():
        # As the servers read them: a number without leading zeros.
        if path.name.isdecimal() and path.name == str(int(path.name)) and int(path.name) >= 1 and path.is_dir():
            yield int(path.name)


def _asked_for(rollout: Rollout, history: History, on_disk: frozenset[int]) -> set[int]:
    """The versions to read: those that have a part, and those that nobody has dealt with, or could deal with."""
    parts = set(rollout.served()) | {v for v in (rollout.previous,) if v is not None}
    fresh = {version for version in on_disk if _is_open(history, version)}
    return parts | fresh


def _is_open(history: History, version: int) -> bool:
    last = history.last(version)
    return last is None or (last.action == "refuse" and last.sha256 is None)
