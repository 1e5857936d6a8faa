"""TensorFlow Serving over gRPC (PredictionService and ModelService), with tensor_content and without TensorFlow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePath

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Server
from telltale_tfserving import (
    CHANNEL_OPTIONS,
    GetModelMetadataRequest,
    GetModelStatusRequest,
    MalformedTensor,
    ModelStub,
    ModelVersionStatus,
    PredictionStub,
    PredictRequest,
    ReloadConfigRequest,
    SignatureDefMap,
    TensorInfo,
    decode_tensor,
    dtype_name,
    encode_tensor,
)

from telltale_gateway.serving.backend import (
    PATIENCE,
    Backend,
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
    Explained,
    ModelCall,
    Served,
    Signature,
    Versions,
    Wanted,
    as_heatmaps,
    as_probabilities,
    heatmap_output,
)
from telltale_gateway.serving.channels import FIND_AGAIN
from telltale_gateway.serving.slots import Slots

_POLL_S = 0.1
_STATUS_TIMEOUT_S = 5.0
_GONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
_LOADING = {ModelVersionStatus.UNKNOWN, ModelVersionStatus.START, ModelVersionStatus.LOADING}


class _StillLoading(str):
    """Why it is not known yet whether a version can be loaded, which says nothing of the version."""


class TensorFlowServing:
    """One TensorFlow Serving process, or the stand-in. Made inside a running event loop.

    ``model_root`` is the model repository as that process sees it. At most ``slots`` batches are with the server at
    once; others wait here, where waiting does not count against their deadline.
    """

    server: Server = "tfserving"
    loads_together = False

    def __init__(self, target: str, *, model_root: PurePath, load_timeout_s: float, slots: int) -> None:
        self._channel = grpc.aio.insecure_channel(target, options=[*CHANNEL_OPTIONS, *FIND_AGAIN])
        self._prediction = PredictionStub(self._channel)
        self._models = ModelStub(self._channel)
        self._model_root = model_root
        self._load_timeout_s = load_timeout_s
        self._slots = Slots(slots)
        self._told: dict[str, Wanted] = {}
        self._missed = 0

    def members(self) -> Sequence[Backend]:
        """This one server."""
        return (self,)

    @property
    def waiting(self) -> int:
        """Batches that wait for a slot."""
        return self._slots.waiting

    async def alive(self) -> bool:
        """Whether the server answers; it has no liveness call, so any status code but a broken connection counts."""
        try:
            await self.ready("telltale-liveness", 1)
        except BackendTimeout:
            self._missed += 1
            return self._missed < PATIENCE
        except BackendError:
            return False
        self._missed = 0
        return True

    async def ready(self, model: str, version: int) -> bool:
        """Whether one version is AVAILABLE."""
        status = await self._status(model, version)
        return status is not None and status.state == ModelVersionStatus.AVAILABLE

    async def describe(self, call: ModelCall) -> Signature:
        """The tensors of the signature that the call names."""
        request = GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = call.model
        request.model_spec.version.value = call.version
        with self._speaking(f"{call.model} {call.version}"):
            answer = await self._prediction.get_model_metadata(request, timeout=_STATUS_TIMEOUT_S)
        signatures = SignatureDefMap.FromString(answer.metadata["signature_def"].value).signature_def
        if call.tensors.signature not in signatures:
            there = ", ".join(sorted(signatures)) or "none"
            raise BackendRefused(f"the SavedModel has no signature named {call.tensors.signature}; it has: {there}")
        found = signatures[call.tensors.signature]
        return Signature(
            inputs={name: _typed(info) for name, info in found.inputs.items()},
            outputs={name: _typed(info) for name, info in found.outputs.items()},
        )

    async def serve(self, wanted: Mapping[str, Wanted]) -> Served:
        """Give the server its whole configuration, when it lacks any of it or has more than is wanted.

        A configuration replaces the one before, so it always names every model that this gateway wants. One that
        cannot be loaded is reported as soon as the server says so, and not asked for again until something changes.
        Labels go on versions that are loaded, so they follow in a second configuration where the first brings new ones.
        A version that is loaded is not read again, whatever else the configuration brings.
        """
        refusal = None
        sound = {model: await self._without_changed(model, each) for model, each in wanted.items()}
        wanted = {model: each for model, each in sound.items() if each.versions}
        read: dict[str, Versions] = {}
        if self._told != wanted or await self._forgotten(wanted):
            read = {model: await self._missing(model, each.versions) for model, each in wanted.items()}
            at_once = {model: Wanted(each.versions, self._kept_labels(model, each)) for model, each in wanted.items()}
            try:
                await self._configure(at_once)
                self._told = dict(at_once)
            except BackendBusy:
                self._told = {}
                raise
            except BackendTimeout:
                # It may be slow over one model alone, which shows in their states.
                self._told = {}
            except BackendRefused as error:
                # Where a model is new and none of its versions loads, the server refuses the whole configuration that
                # it has followed all the same; which version is to blame shows in their states.
                refusal, self._told = str(error), {}
        failures, late = await self._failures(wanted, refusal)
        if refusal is not None:
            if not failures:
                raise BackendRefused(refusal)
            return Served(failures, read)
        unloaded = failures.keys() | late.keys()
        labelled = {
            m: self._told.get(m, Wanted(each.versions)) if m in unloaded else each for m, each in wanted.items()
        }
        if labelled != self._told:
            try:
                await self._configure(labelled)
                self._told = labelled
            except BackendTimeout:
                if not late:
                    raise
        return Served(failures, read, late)

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
        except BackendBusy:
            raise
        except BackendRefused:
            return None
        return next((s for s in answer.model_version_status if s.version == version), None)

    async def _failures(
        self, wanted: Mapping[str, Wanted], refusal: str | None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Why versions were not loaded; and why it is not known yet of models that take too long."""
        asked = [(model, version) for model, each in wanted.items() for version in sorted(each.versions)]
        found = await asyncio.gather(*(self._loaded(model, version, refusal) for model, version in asked))
        failures: dict[str, str] = {}
        late: dict[str, str] = {}
        for (model, _), why in zip(asked, found, strict=True):
            if isinstance(why, _StillLoading):
                late[model] = str(why)
            elif why is not None:
                failures[model] = why
        return failures, {model: why for model, why in late.items() if model not in failures}

    async def _without_changed(self, model: str, wanted: Wanted) -> Wanted:
        """What is wanted, less the versions that the server does not have and that would be read from other files."""
        gone = {version for version in wanted.changed if not await self.ready(model, version)}
        labels = {label: version for label, version in wanted.labels.items() if version not in gone}
        return Wanted(wanted.versions - gone, labels)

    async def _missing(self, model: str, versions: Versions) -> Versions:
        return frozenset([version for version in versions if not await self.ready(model, version)])

    def _kept_labels(self, model: str, wanted: Wanted) -> Mapping[str, int]:
        """The labels that the server can have before anything is loaded: those that it has, where they still hold."""
        told = self._told.get(model)
        return {} if told is None else {n: v for n, v in told.labels.items() if v in wanted.versions}

    async def _forgotten(self, wanted: Mapping[str, Wanted]) -> bool:
        """Whether the server does not know a version that it was told of: it was started anew."""
        asked = [await self._status(model, version) for model, each in wanted.items() for version in each.versions]
        if None in asked:
            self._told = {}
        return None in asked

    async def _loaded(self, model: str, version: int, refusal: str | None) -> str | _StillLoading | None:
        """Wait for one version; why it was not loaded, or None. After a refusal nothing is waited for.

        Raises:
            BackendTimeout: the server does not answer.
            BackendUnavailable: the server went away meanwhile.
        """
        try:
            async with asyncio.timeout(self._load_timeout_s):
                while True:
                    status = await self._status(model, version)
                    if status is not None and status.state == ModelVersionStatus.AVAILABLE:
                        return None
                    if status is not None and status.state not in _LOADING:
                        return f"TensorFlow Serving did not load {model} {version}: {status.status.error_message}"
                    if refusal is not None:
                        return refusal
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return _StillLoading(f"TensorFlow Serving did not load {model} {version} within {self._load_timeout_s:g} s")

    async def _configure(self, wanted: Mapping[str, Wanted]) -> None:
        request = ReloadConfigRequest()
        for model, each in sorted(wanted.items()):
            config = request.config.model_config_list.config.add()
            config.name = model
            config.base_path = str(self._model_root / model)
            config.model_platform = "tensorflow"
            config.model_version_policy.specific.versions.extend(sorted(each.versions))
            config.version_labels.update(each.labels)
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
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise BackendBusy(f"TensorFlow Serving has no room for {about}: {error.details()}") from error
            raise BackendRefused(f"TensorFlow Serving refused {about}: {error.details()}") from error


def _typed(info: TensorInfo) -> tuple[str, tuple[int, ...]]:
    return dtype_name(info.dtype), tuple(int(dim.size) for dim in info.tensor_shape.dim)
