"""Ask TensorFlow Serving, or its stand-in, over gRPC."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import DetectorManifest
from telltale_tfserving import (
    CHANNEL_OPTIONS,
    GetModelStatusRequest,
    ModelStub,
    ModelVersionStatus,
    PredictionStub,
    PredictRequest,
    ReloadConfigRequest,
    decode_tensor,
    encode_tensor,
)

from telltale_export.errors import ExportError
from telltale_export.packaging import OutputDims

_TIMEOUT_S = 120.0
_POLL_S = 0.1
_Answer = TypeVar("_Answer")


class ServedByTensorFlow:
    """One version of a detector on a server that speaks TensorFlow Serving's protocols."""

    def __init__(self, target: str, manifest: DetectorManifest, version_dir: Path) -> None:
        self._target = target
        self._manifest = manifest
        self._home = version_dir.resolve().parent
        self._version = int(version_dir.name)
        # Event loops of several threads would share one poller of gRPC's, which belongs to one of them.
        self._one_at_a_time = threading.Lock()

    @classmethod
    @contextmanager
    def at(cls, target: str, manifest: DetectorManifest, version_dir: Path) -> Iterator[ServedByTensorFlow]:
        """The version on the server at HOST:PORT, which sees the same model repository."""
        yield cls(target, manifest, version_dir)

    def load(self, _: OutputDims | None = None) -> None:
        """Have the server load this version and nothing else, and wait until it is available.

        A SavedModel says itself what its outputs are.

        Raises:
            ExportError: the server does not load it; the message is the server's.
        """
        request = ReloadConfigRequest()
        config = request.config.model_config_list.config.add()
        config.name, config.base_path, config.model_platform = self._manifest.name, str(self._home), "tensorflow"
        config.model_version_policy.specific.versions.append(self._version)

        async def call(channel: grpc.aio.Channel) -> None:
            response = await ModelStub(channel).reload_config(request, timeout=_TIMEOUT_S)
            if response.status.error_code != 0:
                raise self._refusal(response.status.error_message)
            while (status := await self._status(channel)) is None or status.state != ModelVersionStatus.AVAILABLE:
                if status is not None and status.state in (ModelVersionStatus.UNLOADING, ModelVersionStatus.END):
                    raise self._refusal(status.status.error_message)
                await asyncio.sleep(_POLL_S)

        self._run(call)

    def ready(self) -> bool:
        """Whether the server has this version available.

        Raises:
            ExportError: the server does not answer.
        """

        async def call(channel: grpc.aio.Channel) -> bool:
            status = await self._status(channel)
            return status is not None and status.state == ModelVersionStatus.AVAILABLE

        return self._run(call)

    def answer(self, inputs: NDArray[np.generic], outputs: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """What the served version answers to items [N, ...]: each output by its name.

        Raises:
            ExportError: the server refuses, or does not answer.
        """
        batch = self._manifest.max_batch

        async def call(channel: grpc.aio.Channel) -> list[dict[str, NDArray[np.float32]]]:
            stub = PredictionStub(channel)
            starts = range(0, len(inputs), batch)
            return [await self._batch(stub, inputs[start : start + batch], outputs) for start in starts]

        parts = self._run(call)
        return {name: np.concatenate([part[name] for part in parts]) for name in outputs}

    async def _batch(
        self, stub: PredictionStub, inputs: NDArray[np.generic], outputs: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        request = PredictRequest(output_filter=outputs)
        request.model_spec.name = self._manifest.name
        request.model_spec.version.value = self._version
        request.model_spec.signature_name = self._manifest.tensors.signature
        request.inputs[self._manifest.tensors.input].CopyFrom(encode_tensor(inputs))
        response = await stub.predict(request, timeout=_TIMEOUT_S)
        return {name: np.asarray(decode_tensor(response.outputs[name]), dtype=np.float32) for name in outputs}

    async def _status(self, channel: grpc.aio.Channel) -> ModelVersionStatus | None:
        request = GetModelStatusRequest()
        request.model_spec.name = self._manifest.name
        request.model_spec.version.value = self._version
        try:
            answer = await ModelStub(channel).get_model_status(request, timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise
        return next((status for status in answer.model_version_status if status.version == self._version), None)

    def _run(self, call: Callable[[grpc.aio.Channel], Awaitable[_Answer]]) -> _Answer:
        async def speak() -> _Answer:
            async with grpc.aio.insecure_channel(self._target, options=CHANNEL_OPTIONS) as channel:
                async with asyncio.timeout(_TIMEOUT_S):
                    return await call(channel)

        try:
            with self._one_at_a_time:
                return asyncio.run(speak())
        except grpc.aio.AioRpcError as error:
            raise self._refusal(error.details() or error.code().name) from error
        except TimeoutError as error:
            raise self._refusal(f"it did not answer within {_TIMEOUT_S:g} s") from error

    def _refusal(self, said: str) -> ExportError:
        return ExportError(
            f"TensorFlow Serving at {self._target} did not answer for {self._manifest.name} {self._version}: {said}",
            "Start it, or give its HOST:PORT, and look at its log.",
        )
