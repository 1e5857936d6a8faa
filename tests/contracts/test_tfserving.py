"""Our own TensorFlow Serving messages: the same bytes as TensorFlow's, in any process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import telltale_tfserving
from telltale_tfserving import (
    DataType,
    GetModelMetadataResponse,
    MalformedTensor,
    PredictRequest,
    SignatureDefMap,
    TensorProto,
    TensorShapeProto,
    decode_tensor,
    encode_tensor,
)

ROOT = Path(__file__).resolve().parents[2]
MODELS_PYTHON = ROOT / ".venvs/models/bin/python"


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
def test_an_array_survives_the_wire(dtype: str) -> None:
    array = (np.arange(24).reshape(2, 3, 4) % 5).astype(dtype)

    decoded = decode_tensor(TensorProto.FromString(encode_tensor(array).SerializeToString()))

    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)


def test_memory_order_and_byte_order_do_not_reach_the_wire() -> None:
    array = np.arange(12, dtype=">f4").reshape(3, 4).T

    np.testing.assert_array_equal(decode_tensor(encode_tensor(array)), array)


def test_an_empty_array_and_a_scalar_survive() -> None:
    assert decode_tensor(encode_tensor(np.zeros((0, 4, 4, 3), np.uint8))).shape == (0, 4, 4, 3)
    assert decode_tensor(encode_tensor(np.array(2.5, np.float32))) == np.float32(2.5)


THREE = TensorShapeProto(dim=[TensorShapeProto.Dim(size=3)])


@pytest.mark.parametrize(
    ("tensor", "values"),
    [
        (TensorProto(dtype=DataType.DT_FLOAT, tensor_shape=THREE, float_val=[1, 2, 3]), [1, 2, 3]),
        (TensorProto(dtype=DataType.DT_UINT8, tensor_shape=THREE, int_val=[7, 8]), [7, 8, 8]),
        (TensorProto(dtype=DataType.DT_UINT8, tensor_shape=THREE, int_val=[256, 257, 3, 4]), [0, 1, 3]),
        (TensorProto(dtype=DataType.DT_HALF, tensor_shape=THREE, half_val=[0x3C00]), [1, 1, 1]),
        (TensorProto(dtype=DataType.DT_INT64, tensor_shape=THREE), [0, 0, 0]),
        (TensorProto(dtype=DataType.DT_BOOL, tensor_shape=THREE, bool_val=[True, False]), [True, False, False]),
    ],
)
def test_values_are_read_from_the_field_of_their_type_as_tensorflow_does(
    tensor: TensorProto, values: list[float]
) -> None:
    assert decode_tensor(tensor).tolist() == values


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (TensorProto(dtype=DataType.DT_STRING), "DT_STRING"),
        (TensorProto.FromString(b"\x08\x63"), "type 99"),
        (TensorProto(dtype=DataType.DT_FLOAT, tensor_content=b"123"), "do not fill"),
        (TensorProto(dtype=DataType.DT_UINT8, tensor_shape=TensorShapeProto(unknown_rank=True)), "unknown shape"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused_with_its_reason(tensor: TensorProto, why: str) -> None:
    with pytest.raises(MalformedTensor, match=why):
        decode_tensor(tensor)


def test_an_array_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(MalformedTensor, match="complex64"):
        encode_tensor(np.zeros(2, np.complex64))


def test_a_version_is_told_from_a_label() -> None:
    request = PredictRequest()
    request.model_spec.version.value = 0

    assert request.model_spec.WhichOneof("version_choice") == "version"
    assert PredictRequest().model_spec.WhichOneof("version_choice") is None


def test_metadata_carries_signatures_in_an_any() -> None:
    signatures = SignatureDefMap()
    signatures.signature_def["serving_default"].inputs["image"].dtype = DataType.DT_UINT8
    response = GetModelMetadataResponse()
    response.metadata["signature_def"].Pack(signatures)

    unpacked = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(unpacked)
    assert unpacked == signatures


def test_everything_exported_is_there_and_nothing_else() -> None:
    public = {name for name in vars(telltale_tfserving) if not name.startswith("_")}
    assert set(telltale_tfserving.__all__) <= public
    assert public - set(telltale_tfserving.__all__) == {"protos"}


def test_no_tensorflow_is_imported() -> None:
    code = "import sys, telltale_tfserving; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_bytes_are_tensorflows_own_and_both_live_in_one_process() -> None:
    code = """
        import numpy as np, tensorflow as tf
        from telltale_tfserving import DataType, SignatureDef, TensorProto, decode_tensor, encode_tensor
        from tensorflow.core.framework.types_pb2 import DataType as TheirType
        from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef as TheirSignature

        array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        theirs = tf.make_tensor_proto(array)
        assert encode_tensor(array) == TensorProto.FromString(theirs.SerializeToString())
        over = type(theirs)(dtype=TheirType.DT_UINT8, int_val=[256, 257, 3, 4])
        over.tensor_shape.dim.add(size=3)
        assert tf.io.parse_tensor(over.SerializeToString(), tf.uint8).numpy().tolist() == [0, 1, 3]
        halves = tf.make_tensor_proto([0.5, 0.25], dtype=tf.float16, shape=[2])
        assert decode_tensor(TensorProto.FromString(halves.SerializeToString())).tolist() == [0.5, 0.25]
        for name, number in DataType.items():
            assert TheirType.Value(name) == number, name
        for ours, other in ((TensorProto, type(theirs)), (SignatureDef, TheirSignature)):
            for field in ours.DESCRIPTOR.fields:
                assert other.DESCRIPTOR.fields_by_name[field.name].number == field.number, field.full_name
        print("same")
    """
    done = subprocess.run(
        [MODELS_PYTHON, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "same\n", done.stderr
