"""Checkpoints of random weights, small, as people save them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from telltale_contracts import Server
from telltale_export.architectures import Architecture, find_architecture
from telltale_export.conversion.convert import Conversion, Converted, convert
from telltale_export.conversion.manifests import server_of
from telltale_export.conversion.untrained import of_short_clips, save_untrained


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch on one thread: the suite shares two cores."""
    torch.set_num_threads(1)


@dataclass(frozen=True)
class Converter:
    """Converts random checkpoints into a repository, of architectures at reduced width unless told otherwise."""

    folder: Path
    reduced: bool = True

    @property
    def repository(self) -> Path:
        """Where the versions go."""
        return self.folder / "models"

    def checkpoint(self, name: str, seed: int = 0) -> Path:
        """A checkpoint of random weights."""
        return save_untrained(self._architecture(name), self.folder, seed)

    def convert(self, name: str, checkpoint: Path, server: Server | None = None) -> Converted:
        """The next version of a detector that is called as its architecture."""
        return convert(Conversion(self._architecture(name), checkpoint, self.repository, name, server=server))

    def _architecture(self, name: str) -> Architecture:
        architecture = find_architecture(name)
        return architecture.at_reduced_width() if self.reduced else of_short_clips(architecture)


@dataclass(frozen=True)
class Specimen:
    """A version of random weights, and the checkpoint that it was converted from; tests only look at it."""

    checkpoint: Path
    converted: Converted

    @property
    def folder(self) -> Path:
        """The version's folder, alone in its repository."""
        return self.converted.folder

    @property
    def repository(self) -> Path:
        """The repository."""
        return self.folder.parents[1]

    def copied(self, to: Path) -> Path:
        """The version's folder in a copy of the repository, to be changed."""
        return shutil.copytree(self.repository, to) / self.folder.relative_to(self.repository)


class Specimens:
    """Converts each architecture once for each server, when the first test asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, Server, bool], Specimen] = {}

    def small(self, name: str, server: Server | None = None) -> Specimen:
        """A version of the architecture at reduced width."""
        return self._specimen(name, server, reduced=True)

    def whole(self, name: str) -> Specimen:
        """A version of the architecture as it is published."""
        return self._specimen(name, None, reduced=False)

    def _specimen(self, name: str, server: Server | None, *, reduced: bool) -> Specimen:
        key = (name, server_of(find_architecture(name), server), reduced)
        if key not in self._made:
            folder = self._folder / str(len(self._made))
            folder.mkdir()
            converter = Converter(folder, reduced)
            checkpoint = converter.checkpoint(name)
            self._made[key] = Specimen(checkpoint, converter.convert(name, checkpoint, server))
        return self._made[key]


@pytest.fixture(scope="session")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> Specimens:
    """Versions that tests share."""
    return Specimens(tmp_path_factory.mktemp("specimens"))


@pytest.fixture
def converter(tmp_path: Path) -> Converter:
    """An empty repository to convert into."""
    return Converter(tmp_path)


@pytest.fixture
def whole(tmp_path: Path) -> Converter:
    """The same, of architectures as they are published."""
    return Converter(tmp_path, reduced=False)
