"""Take off what people wrap around a state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from telltale_export.errors import CheckpointError

_WRAPPINGS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model_dict",
    "state",
    "model",
    "net",
    "network",
    "weights",
    "params",
)
_PREFIXES = ("module.", "_orig_mod.")  # torch.nn.DataParallel, torch.compile
_DEPTH = 4


def unwrap(loaded: Any, name: str) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """The keys under which the tensors lay, and the tensors by key, ``module.`` taken off.

    Raises:
        CheckpointError: there is no state dict in it, or something that is no tensor lies among its tensors.
    """
    wrapping: tuple[str, ...] = ()
    for _ in range(_DEPTH):
        if not isinstance(loaded, Mapping):
            break
        inner = next((key for key in _WRAPPINGS if isinstance(loaded.get(key), Mapping)), None)
        if inner is None:
            break
        wrapping, loaded = (*wrapping, inner), loaded[inner]
    if not isinstance(loaded, Mapping) or not any(isinstance(value, Tensor) for value in loaded.values()):
        held = ", ".join(map(str, loaded)) if isinstance(loaded, Mapping) else type(loaded).__name__
        raise CheckpointError(
            f"{name} holds no state dict, but {held or 'nothing'}.",
            f"Tensors by key are looked for bare or under {', '.join(_WRAPPINGS)}.",
        )
    foreign = [str(key) for key, value in loaded.items() if not isinstance(value, Tensor) or not isinstance(key, str)]
    if foreign:
        raise CheckpointError(
            f"{name} has entries among its tensors that are none: {', '.join(foreign)}.",
            "Save the state dict alone, or under state_dict.",
        )
    return wrapping, without_prefix(dict(loaded))


def without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state without what wrappers of modules put before every key, however often."""
    while prefix := next((each for each in _PREFIXES if all(key.startswith(each) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state
