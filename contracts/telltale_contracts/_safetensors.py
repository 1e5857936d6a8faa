"""A safetensors body read in place: its tensors are views of it, where the library's own reader copies each of them.

The format, as safetensors' own documentation has it: the length of a header as eight bytes, the header as JSON, then
the tensors one after another, without gaps.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

_LENGTH = struct.Struct("<Q")
_TYPES = {
    name: np.dtype(kind)
    for name, kind in {
        "BOOL": "?",
        "U8": "u1",
        "I8": "i1",
        "U16": "<u2",
        "I16": "<i2",
        "F16": "<f2",
        "U32": "<u4",
        "I32": "<i4",
        "F32": "<f4",
        "U64": "<u8",
        "I64": "<i8",
        "F64": "<f8",
    }.items()
}
_Size = Annotated[int, Field(ge=0, strict=True)]


class MalformedTensors(ValueError):
    """The body is not safetensors, or holds numbers of a type that numpy does not have."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dtype: Literal["BOOL", "U8", "I8", "U16", "I16", "F16", "U32", "I32", "F32", "U64", "I64", "F64"]
    shape: tuple[_Size, ...]
    data_offsets: tuple[_Size, _Size]


class _Header(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _Entry] = Field(init=False)

    metadata: dict[str, str] = Field(alias="__metadata__", default_factory=dict)


@dataclass(frozen=True)
class TensorViews:
    """Tensors by name, read-only and as long-lived as the body, and the header's metadata."""

    tensors: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, str]


def view_tensors(body: bytes) -> TensorViews:
    """The tensors that lie in a body.

    Raises:
        MalformedTensors: the header does not describe the rest of the body exactly.
    """
    try:
        begin = _LENGTH.size + _LENGTH.unpack_from(body)[0]
        if begin > len(body):
            raise MalformedTensors(f"the header ends at {begin}, the body at {len(body)}")
        header = _Header.model_validate_json(body[_LENGTH.size : begin])
    except (struct.error, ValidationError) as error:
        raise MalformedTensors(f"not safetensors: {error}") from error
    entries = header.__pydantic_extra__
    tensors: dict[str, NDArray[Any]] = {}
    place = begin
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        kind, items, (start, end) = _TYPES[entry.dtype], math.prod(entry.shape), entry.data_offsets
        if begin + start != place or end - start != items * kind.itemsize or begin + end > len(body):
            raise MalformedTensors(f"tensor {name}, {items} times {entry.dtype}, cannot lie at {start} to {end}")
        # A view of nothing cannot begin where the body ends.
        seen = np.frombuffer(body, kind, items, place) if items else np.empty(0, kind)
        try:
            tensors[name] = seen.reshape(entry.shape)
        except ValueError as error:
            raise MalformedTensors(f"tensor {name} has a shape that no array has: {error}") from error
        place = begin + end
    if place != len(body):
        raise MalformedTensors(f"the tensors end at {place}, the body at {len(body)}")
    return TensorViews({name: tensors[name] for name in entries}, header.metadata)
