"""A small synchronous client of TensorFlow Serving for tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from grpc import aio
from numpy.typing import NDArray
from telltale_tfserving import (
    CHANNEL_OPTIONS,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    ModelConfig,
    ModelConfigList,
    ModelServerConfig,
    ModelSpec,
    ModelStub,
    ModelVersionStatus,
    PredictionStub,
    PredictRequest,
    PredictResponse,
    ReloadConfigRequest,
    ReloadConfigResponse,
    encode_tensor,
)

TIMEOUT_S = 30.0


def model_config(
    name: str, base_path: Path, *, versions: tuple[int, ...] = (), labels: dict[str, int] | None = None
) -> ModelConfig:
    """One entry of a configuration: these versions, or the latest one."""
    config = ModelConfig(name=name, base_path=str(base_path), version_labels=labels or {})
    if versions:
        config.model_version_policy.specific.versions.extend(versions)
    return config


def spec(name: str, version: int | None = None, label: str = "", signature: str = "") -> ModelSpec:
    """What a request asks for."""
    asked = ModelSpec(name=name, signature_name=signature)
    if version is not None:
        asked.version.value = version
    if label:
        asked.version_label = label
    return asked


class TfServing:
    """Calls to one server, each over a channel of its own."""

    def __init__(self, target: str) -> None:
        self._target = target

    def predict(
        self, asked: ModelSpec, outputs: tuple[str, ...] = (), **inputs: NDArray[np.generic]
    ) -> PredictResponse:
        request = PredictRequest(model_spec=asked, output_filter=outputs)
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(encode_tensor(array))

        async def call() -> PredictResponse:
            async with aio.insecure_channel(self._target, options=CHANNEL_OPTIONS) as channel:
                return await PredictionStub(channel).predict(request, TIMEOUT_S)

        return asyncio.run(call())

    def metadata(self, asked: ModelSpec, *fields: str) -> GetModelMetadataResponse:
        async def call() -> GetModelMetadataResponse:
            async with aio.insecure_channel(self._target) as channel:
                request = GetModelMetadataRequest(model_spec=asked, metadata_field=fields)
                return await PredictionStub(channel).get_model_metadata(request, TIMEOUT_S)

        return asyncio.run(call())

    def states(self, asked: ModelSpec) -> dict[int, str]:
        """The state of each version by name."""
        return {status.version: ModelVersionStatus.State.Name(status.state) for status in self.status(asked)}

    def status(self, asked: ModelSpec) -> list[ModelVersionStatus]:
        async def call() -> list[ModelVersionStatus]:
            async with aio.insecure_channel(self._target) as channel:
                response = await ModelStub(channel).get_model_status(GetModelStatusRequest(model_spec=asked), TIMEOUT_S)
                return list(response.model_version_status)

        return asyncio.run(call())

    def reload(self, *models: ModelConfig) -> ReloadConfigResponse:
        async def call() -> ReloadConfigResponse:
            async with aio.insecure_channel(self._target) as channel:
                config = ModelServerConfig(model_config_list=ModelConfigList(config=models))
                return await ModelStub(channel).reload_config(ReloadConfigRequest(config=config), TIMEOUT_S)

        return asyncio.run(call())
