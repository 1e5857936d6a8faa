"""The stand-in over gRPC: PredictionService and ModelService."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from telltale_tfserving import (
    CHANNEL_OPTIONS,
    MODEL_SERVICE,
    PREDICTION_SERVICE,
    GetModelMetadataRequest,
    GetModelStatusRequest,
    PredictRequest,
    ReloadConfigRequest,
)

from telltale_local.standin import _prediction
from telltale_local.standin._registry import Registry
from telltale_local.standin._status import ServingError

logger = logging.getLogger(__name__)

STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


def grpc_server(registry: Registry, address: str, workers: int) -> grpc.Server:
    """A server bound to ``address``, not started yet.

    Raises:
        RuntimeError: the address is in use.
    """
    # Without so_reuseport a second server on the port fails instead of taking half of the requests.
    server = grpc.server(ThreadPoolExecutor(workers), options=(*CHANNEL_OPTIONS, ("grpc.so_reuseport", 0)))
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                PREDICTION_SERVICE,
                {
                    "Predict": _handler(_prediction.predict, PredictRequest, registry),
                    "GetModelMetadata": _handler(_prediction.model_metadata, GetModelMetadataRequest, registry),
                },
            ),
            grpc.method_handlers_generic_handler(
                MODEL_SERVICE,
                {
                    "GetModelStatus": _handler(_prediction.model_status, GetModelStatusRequest, registry),
                    "HandleReloadConfigRequest": _handler(_prediction.reload_config, ReloadConfigRequest, registry),
                },
            ),
        )
    )
    server.add_insecure_port(address)
    return server


def _handler(act: Callable[[Registry, Any], Any], request: Any, registry: Registry) -> grpc.RpcMethodHandler[Any, Any]:
    def answer(message: Any, context: grpc.ServicerContext) -> Any:
        try:
            return act(registry, message)
        except ServingError as error:
            context.abort(STATUS_CODES[int(error.code)], str(error))

    return grpc.unary_unary_rpc_method_handler(
        answer, request_deserializer=request.FromString, response_serializer=lambda message: message.SerializeToString()
    )
