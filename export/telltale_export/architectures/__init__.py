"""Published architectures: what each was trained on, what its checkpoints are called inside, and how it is built."""

from telltale_export.architectures.architecture import Architecture, Array, Framework, Reduced, Shapes
from telltale_export.architectures.registry import architectures, build, find_architecture, translate

__all__ = [
    "Architecture",
    "Array",
    "Framework",
    "Reduced",
    "Shapes",
    "architectures",
    "build",
    "find_architecture",
    "translate",
]
