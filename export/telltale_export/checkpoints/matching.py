"""Which of a checkpoint's tensors goes where in a network: every one of them, or none."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from telltale_export.architectures import Array, Shapes
from telltale_export.errors import CheckpointError

# Kept by batch norm of torch 0.4.1 and later, and used in training only.
_COUNTERS = ".num_batches_tracked"


def match(
    state: Mapping[str, Array], wanted: Shapes, *, integers: Collection[str] = (), file: str, architecture: str
) -> dict[str, Array]:
    """A network's tensors from a checkpoint that has exactly those, in their shapes.

    Where all keys of the checkpoint have one component more before them than the network's, or one less, it is taken
    off or put there.

    Args:
        state: the checkpoint's tensors by key.
        wanted: the shapes of the network's tensors by key.
        integers: keys of the network's tensors that hold whole numbers; all others are floating point.
        file: the checkpoint's name, for the message.
        architecture: its name, for the message.

    Raises:
        CheckpointError: keys are missing or unexpected, or shapes or kinds of number differ; the message names them.
    """
    aligned = max(_spellings(state, wanted), key=lambda each: len(each.keys() & wanted.keys()))
    missing = [key for key in wanted if key not in aligned and not key.endswith(_COUNTERS)]
    unexpected = [key for key in aligned if key not in wanted]
    other = [
        f"{key} is {_shape(aligned[key].shape)} instead of {_shape(wanted[key])}"
        for key in wanted
        if key in aligned and aligned[key].shape != wanted[key]
    ]
    # Whole numbers where weights belong are quantised weights without their scale: cast, they would be others.
    whole = [
        f"{key} is {aligned[key].dtype} instead of floating point"
        for key in wanted
        if key in aligned and key not in integers and aligned[key].dtype.kind != "f"
    ]
    problems = [
        f"{what} {', '.join(keys)}"
        for what, keys in (
            ("missing:", missing),
            ("unexpected:", unexpected),
            ("of another shape:", other),
            ("of another kind of number:", whole),
        )
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"{file} is no checkpoint of {architecture}.\n    " + "\n    ".join(problems),
            "Name the architecture that it was trained as (telltale-export list), or take the right file.",
        )
    return {key: aligned[key] for key in wanted if key in aligned}


def _spellings(state: Mapping[str, Array], wanted: Shapes) -> list[Mapping[str, Array]]:
    spellings = [state]
    if (extra := _common_component(state)) is not None:
        spellings.append({key.removeprefix(extra): value for key, value in state.items()})
    if (lacking := _common_component(wanted)) is not None:
        spellings.append({lacking + key: value for key, value in state.items()})
    return spellings


def _common_component(keys: Mapping[str, object]) -> str | None:
    first = {key.partition(".")[0] for key in keys}
    return f"{first.pop()}." if len(first) == 1 and all("." in key for key in keys) else None


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
