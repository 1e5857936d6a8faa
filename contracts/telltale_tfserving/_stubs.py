"""Clients of the two services, for grpc.aio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telltale_tfserving.protos.serving_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    PredictRequest,
    PredictResponse,
    ReloadConfigRequest,
    ReloadConfigResponse,
)

if TYPE_CHECKING:
    from grpc import aio

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

# gRPC refuses messages over 4 MB unless told otherwise; 32 crops of 224 x 224 are 4.8 MB.
MESSAGE_LIMIT = 256 << 20
CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
)


class PredictionStub:
    """PredictionService over a channel, which should have been opened with ``CHANNEL_OPTIONS``.

    Every call takes its deadline in seconds and raises grpc.aio.AioRpcError: NOT_FOUND for a model, version or label
    that is not loaded, INVALID_ARGUMENT for inputs that do not fit the signature, DEADLINE_EXCEEDED, UNAVAILABLE.
    """

    def __init__(self, channel: aio.Channel) -> None:
        self._predict = _call(channel, f"/{PREDICTION_SERVICE}/Predict", PredictRequest, PredictResponse)
        self._metadata = _call(
            channel, f"/{PREDICTION_SERVICE}/GetModelMetadata", GetModelMetadataRequest, GetModelMetadataResponse
        )

    async def predict(self, request: PredictRequest, timeout: float) -> PredictResponse:  # noqa: ASYNC109 gRPC's own
        """One inference; the answer's ``model_spec.version`` says which version gave it."""
        response: PredictResponse = await self._predict(request, timeout=timeout)
        return response

    async def get_model_metadata(
        self,
        request: GetModelMetadataRequest,
        timeout: float,  # noqa: ASYNC109 gRPC's own
    ) -> GetModelMetadataResponse:
        """A version's signatures: ``metadata["signature_def"]`` holds a SignatureDefMap."""
        response: GetModelMetadataResponse = await self._metadata(request, timeout=timeout)
        return response


class ModelStub:
    """ModelService over a channel; errors as in PredictionStub."""

    def __init__(self, channel: aio.Channel) -> None:
        self._status = _call(channel, f"/{MODEL_SERVICE}/GetModelStatus", GetModelStatusRequest, GetModelStatusResponse)
        self._reload = _call(
            channel, f"/{MODEL_SERVICE}/HandleReloadConfigRequest", ReloadConfigRequest, ReloadConfigResponse
        )

    async def get_model_status(
        self,
        request: GetModelStatusRequest,
        timeout: float,  # noqa: ASYNC109 gRPC's own
    ) -> GetModelStatusResponse:
        """The state of every version of a model that the server knows of."""
        response: GetModelStatusResponse = await self._status(request, timeout=timeout)
        return response

    async def reload_config(self, request: ReloadConfigRequest, timeout: float) -> ReloadConfigResponse:  # noqa: ASYNC109
        """Replace the whole configuration; the answer's ``status`` says whether that went well."""
        response: ReloadConfigResponse = await self._reload(request, timeout=timeout)
        return response


def _call(channel: aio.Channel, path: str, request: Any, response: Any) -> Any:
    return channel.unary_unary(
        path, request_serializer=request.SerializeToString, response_deserializer=response.FromString
    )
