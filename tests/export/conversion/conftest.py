"""Checkpoints of random weights, small, as people save them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from telltale_contracts import Server
from telltale_export.architectures import Architecture, build, find_architecture
from telltale_export.conversion.convert import Conversion, Converted, convert

from tests.export.architectures.weights import random_weights

Save = Callable[[Architecture, Path], Path]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch on one thread: the suite shares two cores."""
    torch.set_num_threads(1)


def save_random(architecture: Architecture, folder: Path, seed: int = 0) -> Path:
    """A checkpoint of the architecture with random weights: a wrapped state dict, or Keras's weights."""
    if architecture.framework == "keras":
        import keras  # noqa: PLC0415 - three seconds, and not for torch's tests

        keras.utils.set_random_seed(seed)
        path = folder / f"{architecture.name}.weights.h5"
        build(architecture).network.save_weights(path)
        return path
    torch.manual_seed(seed)
    network = random_weights(build(architecture), seed).network
    path = folder / f"{architecture.name}.pth"
    torch.save({"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}, path)
    return path


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
        return save_random(self._architecture(name), self.folder, seed)

    def convert(self, name: str, checkpoint: Path, server: Server | None = None) -> Converted:
        """The next version of a detector that is called as its architecture."""
        return convert(Conversion(self._architecture(name), checkpoint, self.repository, name, server=server))

    def _architecture(self, name: str) -> Architecture:
        architecture = find_architecture(name)
        return architecture.at_reduced_width() if self.reduced else architecture


@pytest.fixture
def converter(tmp_path: Path) -> Converter:
    """An empty repository to convert into."""
    return Converter(tmp_path)


@pytest.fixture
def whole(tmp_path: Path) -> Converter:
    """The same, of architectures as they are published."""
    return Converter(tmp_path, reduced=False)
