"""timm's networks, without torchvision.

timm imports torchvision for its data loading and for one frozen batch norm, neither of which is used here, and the
registries have torchvision's build for CUDA only, which cannot be loaded beside the CPU build of torch. So while timm
is imported, names that nobody calls stand where torchvision is not installed.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from torch import nn

_TORCHVISION = (
    "torchvision",
    "torchvision.datasets",
    "torchvision.models",
    "torchvision.models.feature_extraction",
    "torchvision.ops",
    "torchvision.ops.misc",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)
_IMPORTING = threading.Lock()


def timm_model(name: str, **options: Any) -> Any:
    """A network of timm with random weights; nothing is ever downloaded."""
    with _IMPORTING, _torchvision_or_its_names():
        import timm  # noqa: PLC0415 - needs the names above
    network: nn.Module = timm.create_model(name, pretrained=False, **options)
    return network


class _Named(type):
    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Names(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}") or _Named(name, (), {"__init__": _refuse})


def _refuse(self: object, *_: object, **__: object) -> None:
    raise ModuleNotFoundError(f"{type(self).__name__} is torchvision's, which is not installed")


@contextmanager
def _torchvision_or_its_names() -> Iterator[None]:
    if "timm" in sys.modules or importlib.util.find_spec("torchvision") is not None:
        yield
        return
    names = {name: _Names(name) for name in _TORCHVISION}
    sys.modules.update(names)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
