"""Checkpoints of random weights, small, as people save them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from telltale_contracts import FaceClip, FrameClip, Server
from telltale_export.architectures import Architecture, find_architecture
from telltale_export.conversion.convert import Conversion, Converted, convert
from telltale_export.conversion.untrained import save_untrained

_FRAMES = 16


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
        if self.reduced:
            return architecture.at_reduced_width()
        spec = architecture.input
        if isinstance(spec, FaceClip | FrameClip) and spec.frames > _FRAMES:
            # The network is as large for a few pictures of a face as for two minutes of it.
            return replace(architecture, input=spec.model_copy(update={"frames": _FRAMES}))
        return architecture


@pytest.fixture
def converter(tmp_path: Path) -> Converter:
    """An empty repository to convert into."""
    return Converter(tmp_path)


@pytest.fixture
def whole(tmp_path: Path) -> Converter:
    """The same, of architectures as they are published."""
    return Converter(tmp_path, reduced=False)
