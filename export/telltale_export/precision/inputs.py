"""Inputs to take ranges from and to measure drift on: pictures in a folder, or tensors as they are served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from telltale_contracts import FaceCrop, Image, InputSpec

from telltale_export.errors import DataError
from telltale_export.packaging.tensors import item_shape, item_type

_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
_CLASSES = {"real": False, "fake": True}
_HINT = (
    "Give a folder of pictures (where it has real/ and fake/, those are their labels), or of .safetensors with a tensor"
    " `input` as the server gets it, and `fake` (0 or 1 of each item) where it is known."
)


@dataclass(frozen=True)
class LabelledInputs:
    """Items [N, ...] as the served graph takes them.

    ``fake`` is bool [N], none where it is not known of all; ``source`` says where they came from.
    """

    items: NDArray[np.generic]
    fake: NDArray[np.bool_] | None
    source: str

    def halves(self) -> tuple[LabelledInputs, LabelledInputs]:
        """Every other item, and the rest."""
        return self._every(slice(0, None, 2)), self._every(slice(1, None, 2))

    def _every(self, which: slice) -> LabelledInputs:
        return LabelledInputs(self.items[which], None if self.fake is None else self.fake[which], self.source)


def read_inputs(folder: Path, spec: InputSpec) -> LabelledInputs:
    """Read what fits a detector's input.

    Pictures are for detectors of single pictures; they are stretched to its size. The name of the folder, not its
    place, becomes the source.

    Raises:
        DataError: there is nothing, or it does not fit.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", _HINT)
    tensors = sorted(folder.rglob("*.safetensors"))
    parts = list(_from_tensors(tensors, spec) if tensors else _from_pictures(folder, spec))
    if not parts:
        raise DataError(f"{folder} holds no inputs.", _HINT)
    labels = [label for _, label in parts if label is not None]
    return LabelledInputs(
        np.concatenate([items for items, _ in parts]),
        np.concatenate(labels) if len(labels) == len(parts) else None,
        f"{sum(len(items) for items, _ in parts)} inputs of {folder.resolve().name}",
    )


def _from_tensors(paths: list[Path], spec: InputSpec) -> Iterator[tuple[NDArray[np.generic], NDArray[np.bool_] | None]]:
    for path in paths:
        try:
            tensors = load_file(path)
        except SafetensorError as error:
            raise DataError(f"{path.name} is not safetensors: {error}", _HINT) from error
        items, fake = tensors.get("input"), tensors.get("fake")
        if items is None or items.shape[1:] != item_shape(spec) or items.dtype != item_type(spec):
            found = "no tensor `input`" if items is None else f"`input` of {items.dtype} {items.shape}"
            raise DataError(
                f"{path.name} holds {found}; {item_type(spec)} [N, {', '.join(map(str, item_shape(spec)))}] is needed.",
                _HINT,
            )
        if fake is not None and fake.shape != items.shape[:1]:
            raise DataError(f"{path.name} holds {items.shape[0]} inputs, and `fake` of {fake.shape}.", _HINT)
        yield items, None if fake is None else fake.astype(bool)


def _from_pictures(folder: Path, spec: InputSpec) -> Iterator[tuple[NDArray[np.generic], NDArray[np.bool_] | None]]:
    import cv2  # noqa: PLC0415 - heavy

    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _PICTURES]
    if paths and not isinstance(spec, FaceCrop | Image):
        raise DataError(f"{folder} holds pictures, the detector looks at {spec.kind}.", _HINT)
    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise DataError(f"{path.name} is no picture that can be read.", _HINT)
        height, width, _ = item_shape(spec)
        scaled = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        fake = _CLASSES.get(path.relative_to(folder).parts[0])
        yield scaled[None, :, :, ::-1].copy(), None if fake is None else np.array([fake])
