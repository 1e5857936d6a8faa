"""What the server does, whichever protocol asks for it."""

from __future__ import annotations

from telltale_tfserving import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    MalformedTensor,
    ModelSpec,
    PredictRequest,
    PredictResponse,
    ReloadConfigRequest,
    ReloadConfigResponse,
    StatusProto,
    decode_tensor,
    encode_tensor,
)

from telltale_local.standin._config import served_models
from telltale_local.standin._registry import Registry
from telltale_local.standin._servable import DEFAULT_SIGNATURE
from telltale_local.standin._status import InvalidArgument

SIGNATURES = "signature_def"


def predict(registry: Registry, request: PredictRequest) -> PredictResponse:
    """One inference. Raises ServingError."""
    servable = registry.find(request.model_spec)
    try:
        inputs = {name: decode_tensor(tensor) for name, tensor in request.inputs.items()}
    except MalformedTensor as error:
        raise InvalidArgument(f"tensor parsing error: {error}") from error
    outputs = servable.run(request.model_spec.signature_name, inputs, request.output_filter)
    response = PredictResponse(model_spec=_answering(request.model_spec, servable.version))
    for name, array in outputs.items():
        response.outputs[name].CopyFrom(encode_tensor(array))
    return response


def model_metadata(registry: Registry, request: GetModelMetadataRequest) -> GetModelMetadataResponse:
    """The signatures of a version, as they were saved. Raises ServingError."""
    if not request.metadata_field:
        raise InvalidArgument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != SIGNATURES:
            raise InvalidArgument(f"Metadata field {field} is not supported")
    servable = registry.find(request.model_spec)
    response = GetModelMetadataResponse(model_spec=ModelSpec(name=request.model_spec.name))
    response.model_spec.version.value = servable.version
    response.metadata[SIGNATURES].Pack(servable.signatures)
    return response


def model_status(registry: Registry, request: GetModelStatusRequest) -> GetModelStatusResponse:
    """The state of a model's versions. Raises ServingError."""
    return GetModelStatusResponse(model_version_status=registry.status(request.model_spec))


def reload_config(registry: Registry, request: ReloadConfigRequest) -> ReloadConfigResponse:
    """Replace the configuration. Raises ServingError."""
    if request.config.WhichOneof("config") != "model_config_list":
        raise InvalidArgument("only a ModelConfigList can be reloaded")
    registry.configure(served_models(request.config))
    return ReloadConfigResponse(status=StatusProto())


def _answering(asked: ModelSpec, version: int) -> ModelSpec:
    answer = ModelSpec(name=asked.name, signature_name=asked.signature_name or DEFAULT_SIGNATURE)
    answer.version.value = version
    return answer
