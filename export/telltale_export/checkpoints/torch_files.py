"""torch checkpoints and safetensors files, read as data."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from telltale_export.architectures import Array
from telltale_export.checkpoints.wrappings import unwrap
from telltale_export.errors import CheckpointError

_NAMED_IN_REFUSAL = re.compile(r"GLOBAL ([\w.]+)|Unsupported (?:global|class)[: ]+(?:GLOBAL )?([\w.]+)")


def read_torch(path: Path) -> tuple[tuple[str, ...], dict[str, Array]]:
    """What torch.save wrote, old format or new: the keys it was wrapped in, and tensors by key.

    Raises:
        CheckpointError: it names something to call, is TorchScript, holds no state dict, or a tensor that is no array.
        Exception: whatever torch says of a file that is damaged.
    """
    _require_sound_weights(path)
    scalars: list[Any] = [np.dtype, np.float64, np.float32, np.int64, type(np.dtype(np.float64))]
    scalars += [type(np.dtype(np.float32)), type(np.dtype(np.int64)), (_numpy_scalar(), "numpy.core.multiarray.scalar")]
    try:
        # Numbers of numpy are allowed beside the tensors: many trainings keep their best score so.
        with torch.serialization.safe_globals([*scalars, _numpy_scalar()]):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    wrapping, state = unwrap(loaded, path.name)
    return wrapping, {key: _array(value, f"{key} in {path.name}") for key, value in state.items()}


def read_safetensors(path: Path) -> tuple[tuple[str, ...], dict[str, Array]]:
    """A safetensors file: tensors by key.

    Raises:
        CheckpointError: it holds a tensor that is no array.
        Exception: whatever safetensors says of a file that is damaged.
    """
    loaded: Mapping[str, Tensor] = load_file(path)
    wrapping, state = unwrap(loaded, path.name)
    return wrapping, {key: _array(value, f"{key} in {path.name}") for key, value in state.items()}


def _require_sound_weights(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        # torch reads each record as it lies there, and compares no checksum.
        damaged = archive.testzip()
        compiled = any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist())
    if damaged is not None:
        raise CheckpointError(
            f"{path.name} is damaged: {damaged} in it has another checksum than when it was written.",
            "Download or copy the file again.",
        )
    if compiled:
        raise CheckpointError(
            f"{path.name} is TorchScript: a program together with its weights, and programs are not read.",
            "Where you trust its author, load it there with torch.jit.load, save model.state_dict(); give that file.",
        )


def _numpy_scalar() -> Any:
    return np.float64(0).__reduce__()[0]


def _array(value: Tensor, name: str) -> Array:
    if (why := _no_array(value)) is not None:
        raise CheckpointError(f"{name} {why}.", "Save the network's weights as they were trained, in floating point.")
    try:
        plain = value.detach().to_dense() if value.layout != torch.strided else value.detach()
        return np.array((plain.float() if plain.is_floating_point() else plain).numpy())
    except (RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise CheckpointError(
            f"{name} cannot be held in memory as an array of {value.dtype}: {_first_line(error)}.",
            "Save the network's weights as they were trained, in floating point.",
        ) from error


def _no_array(value: Tensor) -> str | None:
    """Why a tensor's numbers are not those that lie in the file; none where they are."""
    if value.is_quantized:
        return "is quantised"
    if value.is_meta:
        return "has a shape and no numbers"
    if value.layout != torch.strided:
        return None
    held = value.untyped_storage().nbytes() // value.element_size()
    # A view may repeat what it has without end: a few bytes in the file, terabytes in memory.
    return f"is one of {value.numel()} numbers, of which the file holds {held}" if value.numel() > held else None


def _refusal(path: Path, said: str) -> CheckpointError:
    found = _NAMED_IN_REFUSAL.search(said)
    named = next((name for name in found.groups() if name), None) if found else None
    if named is None:
        # Not torch's own words: they begin with the advice to read the file as a program.
        return CheckpointError(
            f"{path.name} is no checkpoint of torch: its pickle does something else than hold tensors, which was not "
            "done.",
            "Give a file that torch.save or safetensors wrote, of model.state_dict() alone.",
        )
    return CheckpointError(
        f"{path.name} is not only weights: reading it would call {named}, which was not done.",
        "Where you trust its author, load it there and save model.state_dict() alone; give that file.",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
