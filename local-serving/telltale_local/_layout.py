"""Where the parts lie on this machine, relative to the root of the repository."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path


class CannotStart(Exception):
    """The stack cannot run; the message says which part, why, and what to do."""


class Unsupervised(Exception):
    """A fault of the supervisor's own left a server with nobody to restart it; the message says which."""


@dataclass(frozen=True)
class Layout:
    """The environments, assets and models that the stack is made of."""

    root: Path
    model_repository: Path

    @classmethod
    def of_this_checkout(cls, model_repository: Path | None = None) -> Layout:
        """The checkout that this package was installed from, with its own models unless told otherwise."""
        root = Path(__file__).resolve().parents[2]
        return cls(root=root, model_repository=(model_repository or root / "model-repository").resolve())

    @property
    def services_python(self) -> Path:
        """The interpreter of gateway and preprocess-service: the one that runs this."""
        return Path(sys.executable)

    @property
    def models_python(self) -> Path:
        """The interpreter that has TensorFlow."""
        return self.root / ".venvs/models/bin/python"

    @property
    def triton_bin(self) -> Path:
        """The folder that must come first on tritonserver's PATH: its stub takes its packages from there."""
        return self.root / ".venvs/triton/bin"

    @property
    def triton_assets(self) -> Path:
        """What scripts/assets.py keeps of the nvidia-pytriton wheel."""
        return self.root / ".cache/assets/pytriton"

    @property
    def samples(self) -> Path:
        """The sample media that set-up makes."""
        return self.root / ".cache/samples"

    def require(self, path: Path, what: str) -> Path:
        """The path again, once it is known to exist.

        Raises:
            CannotStart: it does not.
        """
        if not path.exists():
            raise CannotStart(f"{what} is missing at {path}; run `make setup`, which puts it there")
        return path
