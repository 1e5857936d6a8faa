"""Tensors that are read in place: the same that the library reads, and nothing that it refuses."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from telltale_contracts._safetensors import MalformedTensors, view_tensors

KINDS = ["?", "u1", "i1", "<u2", "<i2", "<f2", "<u4", "<i4", "<f4", "<u8", "<i8", "<f8"]
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
TENSORS = st.dictionaries(
    st.text("abc.-", min_size=1), st.sampled_from(KINDS).flatmap(lambda kind: arrays.arrays(kind, SHAPES)), max_size=4
)


# Neither tensors nor metadata the library writes as something that is no JSON, and that it cannot read itself.
@given(tensors=TENSORS, metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=5), min_size=1, max_size=2))
def test_it_reads_what_the_library_wrote(tensors: dict[str, NDArray[Any]], metadata: dict[str, str]) -> None:
    body = save(tensors, metadata=metadata)
    read = view_tensors(body)
    assert read.metadata == metadata
    assert read.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read.tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(read.tensors[name], tensor)


def test_nothing_is_copied_and_nothing_can_be_changed() -> None:
    body = save({"x": np.arange(6, dtype=np.uint8)})
    (view,) = view_tensors(body).tensors.values()
    assert np.shares_memory(view, np.frombuffer(body, np.uint8))
    assert not view.flags.writeable


def _body(header: object, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _entry(**changed: object) -> dict[str, object]:
    return {"dtype": "I32", "shape": [2], "data_offsets": [0, 8], **changed}


@pytest.mark.parametrize(
    "wrong",
    [
        _body({"x": _entry()}, bytes(7)),
        _body({"x": _entry()}, bytes(9)),
        _body({}, b"x"),
        _body({"x": _entry(shape=[3])}, bytes(8)),
        _body({"x": _entry(shape=[-2])}, bytes(8)),
        _body({"x": _entry(shape=[2.0])}, bytes(8)),
        _body({"x": _entry(shape=[1 << 62, 1 << 62])}, bytes(8)),
        _body({"x": _entry(shape=[0, 1 << 62, 1 << 62], data_offsets=[0, 0])}, b""),
        _body({"x": _entry(shape=[1] * 100 + [2])}, bytes(8)),
        _body({"x": _entry(data_offsets=[1, 9])}, bytes(9)),
        _body({"x": _entry(data_offsets=[8, 0])}, bytes(8)),
        _body({"x": _entry(data_offsets=[0])}, bytes(8)),
        _body({"x": _entry(dtype="I31")}, bytes(8)),
        _body({"x": _entry(more=1)}, bytes(8)),
        _body({"x": _entry(), "y": _entry()}, bytes(8)),
        _body({"x": _entry(), "y": _entry(data_offsets=[4, 12])}, bytes(12)),
        _body({"x": 1}, b""),
        _body({"__metadata__": {"x": 1}}, b""),
        _body([], b""),
        _body(b"{", b""),
        _body(b"\xff", b""),
        struct.pack("<Q", 1 << 63),
        b"1234567",
    ],
)
def test_what_does_not_describe_the_body_exactly_is_refused(wrong: bytes) -> None:
    with pytest.raises(MalformedTensors):
        view_tensors(wrong)


@given(data=st.data())
def test_what_the_library_refuses_is_refused(data: st.DataObject) -> None:
    body = bytearray(save({"a": np.arange(3, dtype=np.float32), "b": np.arange(4, dtype=np.uint8)}))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        load(bytes(body))
    except SafetensorError:
        with pytest.raises(MalformedTensors):
            view_tensors(bytes(body))
