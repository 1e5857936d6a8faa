"""Which architectures there are: what the modules of ``catalogue`` call ``ARCHITECTURES``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from telltale_export.architectures import catalogue
from telltale_export.architectures.architecture import Architecture, Array, Shapes
from telltale_export.errors import ExportError

_NETWORKS = "telltale_export.architectures.networks"


def architectures() -> dict[str, Architecture]:
    """Every architecture by its name, in order of their names. Imports neither torch nor TensorFlow."""
    families = [
        importlib.import_module(f"{catalogue.__name__}.{module.name}")
        for module in pkgutil.iter_modules(catalogue.__path__)
    ]
    known = [architecture for family in families for architecture in family.ARCHITECTURES]
    return {architecture.name: architecture for architecture in sorted(known, key=lambda each: each.name)}


def find_architecture(name: str) -> Architecture:
    """The architecture of a name.

    Raises:
        ExportError: there is none of that name.
    """
    known = architectures()
    if name not in known:
        raise ExportError(f"There is no architecture {name!r}.", f"Choose one of {', '.join(known)}.")
    return known[name]


def build(architecture: Architecture, shapes: Shapes | None = None) -> Any:
    """The network of an architecture with the input that it describes, its weights still random.

    Args:
        architecture: which.
        shapes: of a checkpoint's tensors by key, from which widths are read; none builds the published size.

    Returns:
        ``served.Detector`` of a torch architecture, ``keras_served.KerasDetector`` of a Keras one.
    """
    return _module(architecture).build(architecture.input, shapes, **architecture.options)


def translate(architecture: Architecture, state: Mapping[str, Array]) -> dict[str, Array]:
    """A checkpoint's tensors with the keys that the architecture's network has for them."""
    plain = {key: np.asarray(value) for key, value in state.items()}
    spelling = getattr(_module(architecture), "translate", None)
    return plain if spelling is None else dict(spelling(plain))


def _module(architecture: Architecture) -> Any:
    return importlib.import_module(f"{_NETWORKS}.{architecture.module}")
