"""Keras weights out of HDF5 files, read as arrays: no layer, no lambda and no configuration is made from them.

Keys are ``layer/variable``: ``conv2d_5/kernel``, ``stem_bn/moving_mean``.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from telltale_export.architectures import Array
from telltale_export.errors import CheckpointError

_WEIGHTS = "model.weights.h5"
_SEED = "seed_generator"  # a dropout's, of no use here
_BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
# Beside these a trained file has optimizer/vars, which are no weights.
_LAYERS = ("layers", "_layer_checkpoint_dependencies")


def read_hdf5(path: Path) -> tuple[tuple[str, ...], dict[str, Array]]:
    """An .h5 of Keras 1 or 2 (weights alone or a whole model), or a .weights.h5 of Keras 3.

    Raises:
        CheckpointError: two weights have one name, or it names another file in whose bytes they lie.
        Exception: whatever HDF5 says of a file that is damaged or none of Keras.
    """
    with path.open("rb") as stream:
        return (), _read(stream)


def read_keras_archive(path: Path) -> tuple[tuple[str, ...], dict[str, Array]]:
    """The weights in a .keras archive of Keras 3; its configuration is not looked at.

    Raises:
        CheckpointError: as ``read_hdf5``.
        Exception: as there, or of the archive.
    """
    with zipfile.ZipFile(path) as archive:
        return (_WEIGHTS,), _read(io.BytesIO(archive.read(_WEIGHTS)))


def _read(stream: BinaryIO) -> dict[str, Array]:
    with h5py.File(stream, "r") as file:
        if any(name in file for name in _LAYERS):
            return _numbered(file)
        return _named(file.get("model_weights", file))


def _named(group: Any) -> dict[str, Array]:
    """Keras 1 and 2: each layer's group lists its weights by name."""
    held: dict[str, Any] = {}
    for layer in group.attrs["layer_names"]:
        of_layer = group[_text(layer)]
        for weight in of_layer.attrs["weight_names"]:
            path = _text(weight).split(":")[0].split("/")
            if _SEED not in path[-1]:
                _keep(held, "/".join(path[-2:]), of_layer[_text(weight)])
    return {key: _values(entry) for key, entry in held.items()}


def _numbered(file: Any) -> dict[str, Array]:
    """Keras 3: each layer's ``vars`` by number, with the layer's name beside; nested models hold ``layers`` again."""
    held: dict[str, Any] = {}

    def visit(path: str, entry: Any) -> None:
        parts = path.split("/")
        if not isinstance(entry, h5py.Dataset) or len(parts) < 3 or parts[0] not in _LAYERS:
            return
        if parts[-2] == "vars" and _SEED not in parts[-3]:
            # The group is called after its class; only the first files of Keras 3 lack the name.
            layer = _text(entry.parent.attrs.get("name", parts[-3]))
            variable = _variable(len(entry.parent), int(parts[-1]), normalises=parts[-3].startswith("normalization"))
            _keep(held, f"{layer}/{variable}", entry)

    file.visititems(visit)
    return {key: _values(entry) for key, entry in held.items()}


def _keep(held: dict[str, Any], key: str, entry: Any) -> None:
    """Take a weight under its key, which no other may have: the later one would take the earlier one's place."""
    if key in held:
        raise CheckpointError(
            f"{held[key].name} and {entry.name} are both weights called {key}.",
            "Give the layers names of their own, and save the weights again.",
        )
    held[key] = entry


def _values(entry: Any) -> Array:
    """A dataset's numbers, when they lie in the file itself."""
    if not isinstance(entry, h5py.Dataset):
        raise TypeError(f"{entry.name} is no array")
    # HDF5 would open whatever path the file names, and what lies there would be published as weights.
    if entry.external or entry.is_virtual:
        raise CheckpointError(
            f"The bytes of {entry.name} lie in another file, which was not opened.",
            "A checkpoint holds its own weights: save it as one file where you trust it.",
        )
    if entry.dtype.kind not in "fiubc":
        raise TypeError(f"{entry.name} holds {entry.dtype}, no numbers")
    return np.asarray(entry)


def _variable(count: int, index: int, *, normalises: bool) -> str:
    """Its name in the layers that architectures here have; of another layer its number, which matches nothing."""
    if normalises:
        names: tuple[str, ...] = ("mean", "variance", "count")
    else:
        names = _BATCH_NORM if count == len(_BATCH_NORM) else ("kernel", "bias")
    return names[index] if count <= len(names) and index < len(names) else str(index)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
