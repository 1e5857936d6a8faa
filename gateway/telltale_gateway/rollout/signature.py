"""Whether a loaded version takes and gives the tensors that its detector.yaml says."""

from __future__ import annotations

from collections.abc import Mapping

from telltale_contracts import DetectorManifest, item_shape, item_type

from telltale_gateway.serving import Signature

_FLOATS = {"float16", "float32", "float64"}


class WrongSignature(Exception):
    """A version's tensors are not those of its manifest."""


def check_signature(signature: Signature, manifest: DetectorManifest) -> None:
    """Compare names, types, shapes and the batch.

    Raises:
        WrongSignature: they differ; the message says in what.
    """
    names = manifest.tensors
    kind, shape = _tensor(signature.inputs, names.input, "input")
    wanted = item_type(manifest.input), item_shape(manifest.input)
    if kind != wanted[0]:
        raise WrongSignature(f"its input {names.input} is of {kind}, where detector.yaml asks for {wanted[0]}")
    if not _fits(shape[1:], wanted[1]):
        raise WrongSignature(
            f"an item of its input {names.input} has the shape {list(shape[1:])}, where detector.yaml asks for "
            f"{list(wanted[1])}"
        )
    if not shape or shape[0] != -1:
        raise WrongSignature(f"its input {names.input} takes {list(shape[:1])} items, not any number of them")
    if signature.max_batch is not None and signature.max_batch < manifest.max_batch:
        raise WrongSignature(f"it takes {signature.max_batch} items at once, detector.yaml says {manifest.max_batch}")
    others = sorted(set(signature.inputs) - {names.input})
    if others:
        raise WrongSignature(f"it asks for {', '.join(others)} beside {names.input}")
    kind, shape = _tensor(signature.outputs, names.probability, "output")
    if kind not in _FLOATS:
        raise WrongSignature(f"its output {names.probability} is of {kind}, not of floating point")
    if shape[1:] not in {(), (1,)}:
        raise WrongSignature(f"its output {names.probability} has the shape {list(shape)}, not one number for an item")


def _tensor(tensors: Mapping[str, tuple[str, tuple[int, ...]]], name: str, part: str) -> tuple[str, tuple[int, ...]]:
    if name not in tensors:
        raise WrongSignature(f"it has no {part} named {name}; it has: {', '.join(sorted(tensors)) or 'none'}")
    return tensors[name]


def _fits(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(found) == len(wanted) and all(size in {-1, want} for size, want in zip(found, wanted, strict=True))
