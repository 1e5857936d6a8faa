"""TensorFlow Serving over gRPC (PredictionService and ModelService), with tensor_content and without TensorFlow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Server
from telltale_tfserving import (
    CHANNEL_OPTIONS,
    GetModelStatusRequest,
    MalformedTensor,
    ModelStub,
    ModelVersionStatus,
    PredictionStub,
    PredictRequest,
    ReloadConfigRequest,
    decode_tensor,
    encode_tensor,
)

from telltale_gateway.serving.backend import (
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
    Explained,
    ModelCall,
    Versions,
    as_heatmaps,
    as_probabilities,
    heatmap_output,
)

_POLL_S = 0.1
_STATUS_TIMEOUT_S = 5.0
_GONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
_LOADING = {ModelVersionStatus.UNKNOWN, ModelVersionStatus.START, ModelVersionStatus.LOADING}


class TensorFlowServing:
    """One TensorFlow Serving process, or the stand-in. Made inside a running event loop.

    ``model_root`` is the model repository as that process sees it. At most ``slots`` batches are with the server at
    once; others wait here, where waiting does not count against their deadline.
    """

    server: Server = "tfserving"

    def __init__(self, target: str, *, model_root: PurePath, load_timeout_s: float, slots: int) -> None:
        # A restarted server must be found again at once, not after gRPC's default back-off of up to two minutes.
        options = [
            *CHANNEL_OPTIONS,
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        self._channel = grpc.aio.insecure_channel(target, options=options)
        self._prediction = PredictionStub(self._channel)
        self._models = ModelStub(self._channel)
        self._model_root = model_root
        self._load_timeout_s = load_timeout_s
        self._slots = asyncio.Semaphore(slots)
        self._told: dict[str, Versions] = {}

    async def alive(self) -> bool:
        """Whether the server answers; it has no liveness call, so any status code but a broken connection counts."""
        try:
            await self.ready("telltale-liveness", 1)
        except BackendError:
            return False
        return True

    async def ready(self, model: str, version: int) -> bool:
        """Whether one version is AVAILABLE."""
        status = await self._status(model, version)
        return status is not None and status.state == ModelVersionStatus.AVAILABLE

    async def serve(self, wanted: Mapping[str, Versions]) -> Mapping[str, str]:
        """Give the server its whole configuration, when it lacks any of it or has more than is wanted.

        A configuration replaces the one before, so it always names every model that this gateway wants. One that
        cannot be loaded is reported as soon as the server says so, and not asked for again until something changes.
        """
        if self._told != wanted or await self._forgotten(wanted):
            await self._configure(wanted)
            self._told = dict(wanted)
        failures: dict[str, str] = {}
        async with asyncio.TaskGroup() as group:
            waits = {
                model: group.create_task(self._loaded(model, version))
                for model, versions in wanted.items()
                for version in versions
            }
        for model, wait in waits.items():
            if (failure := wait.result()) is not None:
                failures[model] = failure
        return failures

    async def revive(self, model: str, versions: Versions) -> None:
        """Nothing to do: a version that fails here fails for a reason that loading it again does not mend."""

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        """P(fake) of each item of one batch."""
        scores = (await self._ask(call, batch, (call.tensors.probability,)))[0]
        return as_probabilities(call.model, scores, batch.shape[0])

    async def infer_with_heatmaps(self, call: ModelCall, batch: NDArray[np.generic]) -> Explained:
        """P(fake) and heatmap of each item of one batch."""
        outputs = (call.tensors.probability, heatmap_output(call))
        scores, maps = await self._ask(call, batch, outputs)
        items = batch.shape[0]
        return Explained(as_probabilities(call.model, scores, items), as_heatmaps(call.model, maps, items))

    async def _ask(
        self, call: ModelCall, batch: NDArray[np.generic], names: tuple[str, ...]
    ) -> list[NDArray[np.generic]]:
        request = PredictRequest()
        request.model_spec.name = call.model
        request.model_spec.version.value = call.version
        request.model_spec.signature_name = call.tensors.signature
        request.inputs[call.tensors.input].CopyFrom(encode_tensor(batch))
        request.output_filter.extend(names)
        async with self._slots:
            with self._speaking(f"{call.model} {call.version}"):
                response = await self._prediction.predict(request, timeout=call.timeout_s)
        for name in names:
            if name not in response.outputs:
                raise BackendRefused(f"{call.model} {call.version} has no output named {name}")
        if response.model_spec.version.value != call.version:
            raise BackendRefused(f"version {response.model_spec.version.value} answered for {call.version}")
        try:
            return [decode_tensor(response.outputs[name]) for name in names]
        except MalformedTensor as error:
            raise BackendRefused(f"{call.model} {call.version} answered a malformed tensor: {error}") from error

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close(None)

    async def _status(self, model: str, version: int) -> ModelVersionStatus | None:
        """What the server says of one version; None of a model or version that it was never told about."""
        request = GetModelStatusRequest()
        request.model_spec.name = model
        request.model_spec.version.value = version
        try:
            with self._speaking(model):
                answer = await self._models.get_model_status(request, timeout=_STATUS_TIMEOUT_S)
        except BackendRefused:
            return None
        return next((s for s in answer.model_version_status if s.version == version), None)

    async def _forgotten(self, wanted: Mapping[str, Versions]) -> bool:
        """Whether the server does not know a version that it was told of: it was started anew."""
        return None in [await self._status(model, version) for model, vs in wanted.items() for version in vs]

    async def _loaded(self, model: str, version: int) -> str | None:
        """Wait for one version; why it was not loaded, or None."""
        try:
            async with asyncio.timeout(self._load_timeout_s):
                while True:
                    status = await self._status(model, version)
                    if status is not None and status.state == ModelVersionStatus.AVAILABLE:
                        return None
                    if status is not None and status.state not in _LOADING:
                        return f"TensorFlow Serving did not load {model} {version}: {status.status.error_message}"
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return f"TensorFlow Serving did not load {model} {version} within {self._load_timeout_s:g} s"
        except BackendError as error:
            return str(error)

    async def _configure(self, wanted: Mapping[str, Versions]) -> None:
        request = ReloadConfigRequest()
        for model, versions in sorted(wanted.items()):
            config = request.config.model_config_list.config.add()
            config.name = model
            config.base_path = str(self._model_root / model)
            config.model_platform = "tensorflow"
            config.model_version_policy.specific.versions.extend(sorted(versions))
        with self._speaking("its configuration"):
            response = await self._models.reload_config(request, timeout=self._load_timeout_s)
        if response.status.error_code != 0:
            raise BackendRefused(f"TensorFlow Serving refused its configuration: {response.status.error_message}")

    @contextmanager
    def _speaking(self, about: str) -> Iterator[None]:
        """Turn what gRPC raises into this room's errors."""
        try:
            yield
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise BackendTimeout(f"TensorFlow Serving did not answer about {about} in time") from error
            if error.code() in _GONE:
                raise BackendUnavailable(f"TensorFlow Serving cannot be reached: {error.details()}") from error
            raise BackendRefused(f"TensorFlow Serving refused {about}: {error.details()}") from error
