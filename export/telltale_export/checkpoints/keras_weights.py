"""Give a Keras network the tensors of a checkpoint."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from telltale_export import architectures
from telltale_export.architectures import Architecture, Array
from telltale_export.checkpoints.matching import match
from telltale_export.checkpoints.reading import Checkpoint
from telltale_export.errors import CheckpointError

if TYPE_CHECKING:
    from telltale_export.architectures.keras_served import KerasDetector

# Kinds of layers that Keras numbers when nobody names them: conv2d, conv2d_1, ...
_NUMBERED = re.compile(r"(conv2d|batch_normalization|dense|normalization|depthwise_conv2d)(?:_(\d+))?")
_RENAMED = {"depthwise_kernel": "kernel"}  # until Keras 3


def load_keras(architecture: Architecture, checkpoint: Checkpoint) -> KerasDetector:
    """The architecture's detector with the checkpoint's weights.

    Keras numbers unnamed layers over everything that its process has made before, so the first convolution of a file
    may be ``conv2d_5``. Layers are matched by kind and order of their numbers.

    Raises:
        CheckpointError: the checkpoint is of another architecture or framework; the message names the keys.
    """
    if checkpoint.framework == "torch":
        raise CheckpointError(
            f"{checkpoint.name} is a torch file, and checkpoints of {architecture.name} are Keras's.",
            "Name the architecture that it was trained as (telltale-export list).",
        )
    from telltale_export.architectures.keras_served import settle  # noqa: PLC0415 - imports TensorFlow

    counted = _counted(checkpoint.state, checkpoint.name)
    state = architectures.translate(architecture, {key: value for key, (_, value) in counted.items()})
    detector: KerasDetector = architectures.build(architecture, {key: value.shape for key, value in state.items()})
    variables = _variables(detector.network)
    # Named in a complaint as the file names them; what the network alone has keeps its own name.
    said = {key: original for key, (original, _) in counted.items()}
    matched = match(
        {said.get(key, key): value for key, value in state.items()},
        {said.get(key, key): tuple(variable.shape) for key, variable in variables.items()},
        integers={said.get(key, key) for key, variable in variables.items() if "int" in str(variable.dtype)},
        file=checkpoint.name,
        architecture=architecture.name,
    )
    for key, variable in variables.items():
        variable.assign(matched[said.get(key, key)])
    settle(detector.network)
    return detector


def _counted(state: Mapping[str, Array], file: str) -> dict[str, tuple[str, Array]]:
    """By the key that is independent of where the numbers begin: the key in the file, and the tensor."""
    names = _canonical(key.rpartition("/")[0] for key in state)
    counted: dict[str, tuple[str, Array]] = {}
    for key, value in state.items():
        layer, _, variable = key.rpartition("/")
        name = f"{names[layer]}/{_RENAMED.get(variable, variable)}"
        if name in counted:
            raise CheckpointError(
                f"{counted[name][0]} and {key} in {file} are the same weight to Keras's way of numbering layers.",
                "Give the layers names of their own, and save the weights again.",
            )
        counted[name] = (key, value)
    return counted


def _variables(network: Any) -> dict[str, Any]:
    names = _canonical(layer.name for layer in network.layers)
    return {f"{names[layer.name]}/{variable.name}": variable for layer in network.layers for variable in layer.weights}


def _canonical(layers: Iterable[str]) -> dict[str, str]:
    """conv2d_5, conv2d_6 -> conv2d, conv2d_1; names that somebody gave stay."""
    kinds: dict[str, set[int]] = defaultdict(set)
    names = set(layers)
    for name in names:
        if found := _NUMBERED.fullmatch(name):
            kinds[found[1]].add(int(found[2] or 0))
    canonical = {}
    for name in names:
        found = _NUMBERED.fullmatch(name)
        if found is None:
            canonical[name] = name
            continue
        index = sorted(kinds[found[1]]).index(int(found[2] or 0))
        canonical[name] = found[1] if index == 0 else f"{found[1]}_{index}"
    return canonical
