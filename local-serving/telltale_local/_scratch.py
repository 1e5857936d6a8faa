"""Everything that a running stack leaves on a machine carries one name, so that all of it can be found and removed."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

PREFIX = "telltale-"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 where the system keeps POSIX shared memory


@dataclass(frozen=True)
class Scratch:
    """A temporary folder, and the prefix of the shared-memory segments that belong to the same run."""

    folder: Path

    @classmethod
    def make(cls) -> Scratch:
        """A new one under the system's temporary folder."""
        return cls(Path(tempfile.mkdtemp(prefix=PREFIX)))

    @property
    def shared_memory_prefix(self) -> str:
        """What the names of this run's segments begin with."""
        return self.folder.name

    def subfolder(self, name: str) -> Path:
        """A folder inside, made when it is not there."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def remove_shared_memory(self) -> None:
        """Remove the segments that processes of this run left when they were killed."""
        for segment in SHARED_MEMORY.glob(f"{self.shared_memory_prefix}*"):
            segment.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove folder and segments; what is gone already is no error."""
        self.remove_shared_memory()
        shutil.rmtree(self.folder, ignore_errors=True)
