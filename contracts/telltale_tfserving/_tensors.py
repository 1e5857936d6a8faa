"""numpy arrays to TensorProto and back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from telltale_tfserving.protos.tensors_pb2 import DataType, TensorProto, TensorShapeProto

_NUMPY_OF: dict[DataType, np.dtype[np.generic]] = {
    DataType.DT_FLOAT: np.dtype("<f4"),
    DataType.DT_DOUBLE: np.dtype("<f8"),
    DataType.DT_HALF: np.dtype("<f2"),
    DataType.DT_INT8: np.dtype("i1"),
    DataType.DT_INT16: np.dtype("<i2"),
    DataType.DT_INT32: np.dtype("<i4"),
    DataType.DT_INT64: np.dtype("<i8"),
    DataType.DT_UINT8: np.dtype("u1"),
    DataType.DT_UINT16: np.dtype("<u2"),
    DataType.DT_UINT32: np.dtype("<u4"),
    DataType.DT_UINT64: np.dtype("<u8"),
    DataType.DT_BOOL: np.dtype("?"),
}
_TYPE_OF = {dtype: number for number, dtype in _NUMPY_OF.items()}

# TensorFlow keeps the small integer types in int_val, and the bits of a half in half_val.
_VALUES_OF: dict[DataType, str] = {
    DataType.DT_FLOAT: "float_val",
    DataType.DT_DOUBLE: "double_val",
    DataType.DT_HALF: "half_val",
    DataType.DT_INT8: "int_val",
    DataType.DT_INT16: "int_val",
    DataType.DT_INT32: "int_val",
    DataType.DT_INT64: "int64_val",
    DataType.DT_UINT8: "int_val",
    DataType.DT_UINT16: "int_val",
    DataType.DT_UINT32: "uint32_val",
    DataType.DT_UINT64: "uint64_val",
    DataType.DT_BOOL: "bool_val",
}


class MalformedTensor(ValueError):
    """An array that TensorProto cannot carry, or a TensorProto whose values do not fit its type and shape."""


def dtype_name(number: DataType) -> str:
    """What numpy calls a type of TensorFlow's; TensorFlow's own name where numpy has none."""
    dtype = _NUMPY_OF.get(number)
    if dtype is not None:
        return dtype.name
    return DataType.Name(number) if number in DataType.values() else str(number)


def encode_tensor(array: NDArray[np.generic]) -> TensorProto:
    """An array as a TensorProto with ``tensor_content``: little-endian, row by row.

    Raises:
        MalformedTensor: the dtype is neither bool nor an integer or float of at most 64 bits.
    """
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _TYPE_OF:
        raise MalformedTensor(f"an array of {array.dtype} cannot be sent; convert it to float32, uint8 or the like")
    return TensorProto(
        dtype=_TYPE_OF[dtype],
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in array.shape]),
        tensor_content=np.ascontiguousarray(array, dtype=dtype).tobytes(),
    )


def decode_tensor(tensor: TensorProto) -> NDArray[np.generic]:
    """A TensorProto as an array: from ``tensor_content``, or from the ``*_val`` field of its type.

    As in TensorFlow, fewer values than elements repeat the last one, none at all mean zeros, those over are passed
    over, and integers wrap around in their type. The array is read-only when it comes from ``tensor_content``, because
    then it is a view of the message's bytes.

    Raises:
        MalformedTensor: the type is not supported, a dimension is unknown, or the bytes do not fill the shape.
    """
    dtype = _NUMPY_OF.get(tensor.dtype)
    if dtype is None:
        raise MalformedTensor(f"a tensor of type {dtype_name(tensor.dtype)} cannot be read")
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise MalformedTensor(f"a tensor of unknown shape {list(shape)} cannot be read")
    count = math.prod(shape)
    if tensor.tensor_content:
        if len(tensor.tensor_content) != count * dtype.itemsize:
            raise MalformedTensor(
                f"{len(tensor.tensor_content)} bytes of tensor_content do not fill {list(shape)} of {dtype}"
            )
        return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
    return _filled(_values(tensor, dtype), count, shape)


def _values(tensor: TensorProto, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    values = np.array(getattr(tensor, _VALUES_OF[tensor.dtype]))
    if tensor.dtype == DataType.DT_HALF:
        return values.astype(np.uint16).view(dtype)
    return values.astype(dtype)


def _filled(values: NDArray[np.generic], count: int, shape: tuple[int, ...]) -> NDArray[np.generic]:
    filled = np.zeros(count, values.dtype)
    filled[: len(values)] = values[:count]
    if len(values):
        filled[len(values) :] = values[-1]
    return filled.reshape(shape)
