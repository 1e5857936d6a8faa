"""What crosses the wire of TensorFlow Serving, without TensorFlow.

Messages have the full names and field numbers of the original, in a descriptor pool of their own: they can be in one
process with TensorFlow, and a client needs none of it.
"""

from telltale_tfserving._stubs import (
    CHANNEL_OPTIONS,
    MESSAGE_LIMIT,
    MODEL_SERVICE,
    PREDICTION_SERVICE,
    ModelStub,
    PredictionStub,
)
from telltale_tfserving._tensors import MalformedTensor, decode_tensor, dtype_name, encode_tensor
from telltale_tfserving.protos.error_codes_pb2 import Code
from telltale_tfserving.protos.serving_pb2 import (
    FileSystemStoragePathSourceConfig,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelConfig,
    ModelConfigList,
    ModelServerConfig,
    ModelSpec,
    ModelVersionStatus,
    PredictRequest,
    PredictResponse,
    ReloadConfigRequest,
    ReloadConfigResponse,
    SignatureDefMap,
    StatusProto,
)
from telltale_tfserving.protos.tensors_pb2 import DataType, SignatureDef, TensorInfo, TensorProto, TensorShapeProto

__all__ = [
    "CHANNEL_OPTIONS",
    "MESSAGE_LIMIT",
    "MODEL_SERVICE",
    "PREDICTION_SERVICE",
    "Code",
    "DataType",
    "FileSystemStoragePathSourceConfig",
    "GetModelMetadataRequest",
    "GetModelMetadataResponse",
    "GetModelStatusRequest",
    "GetModelStatusResponse",
    "MalformedTensor",
    "ModelConfig",
    "ModelConfigList",
    "ModelServerConfig",
    "ModelSpec",
    "ModelStub",
    "ModelVersionStatus",
    "PredictRequest",
    "PredictResponse",
    "PredictionStub",
    "ReloadConfigRequest",
    "ReloadConfigResponse",
    "SignatureDef",
    "SignatureDefMap",
    "StatusProto",
    "TensorInfo",
    "TensorProto",
    "TensorShapeProto",
    "decode_tensor",
    "dtype_name",
    "encode_tensor",
]
