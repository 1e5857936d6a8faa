"""NVIDIA Triton over HTTP with binary tensors (KServe v2 and its binary and repository extensions)."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
from google.protobuf import json_format, text_format
from numpy.typing import NDArray
from telltale_contracts import Server
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup
from tritonclient.http.aio import (
    InferenceServerClient,
    InferenceServerClientPlugin,
    InferInput,
    InferRequestedOutput,
)
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

from telltale_gateway.serving.backend import (
    PATIENCE,
    Backend,
    BackendBusy,
    BackendDied,
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
from telltale_gateway.serving.slots import Slots
from telltale_gateway.serving.triton_control import CONTROL_HEADER, GrpcControl, HttpControl, TritonControl, in_one_line
from telltale_gateway.tracing import carried

_log = logging.getLogger(__name__)

CONFIG_FILE = "config.pbtxt"

_POLL_S = 0.05
_STATUS_TIMEOUT_S = 5.0
_RETRY_AFTER_S = 5.0

# Too many requests, and what Triton makes of its own UNAVAILABLE: a full queue, a model that is not ready.
_NO_ROOM = {"429", "503"}
# What the Python backend says of a process that died, under the status that a fault of the model's own has as well.
_DEAD_STUB = re.compile(r"stub process .* is not healthy", re.IGNORECASE)


class _Unconfigured(BackendRefused):
    """A model's config.pbtxt cannot be read, so the server was not asked."""


class Triton:
    """One Triton server in explicit model-control mode. Made inside a running event loop.

    ``repository`` is the model repository as the gateway sees it, for each model's config.pbtxt. At most ``slots``
    batches are with the server at once; others wait here, where waiting does not count against their deadline.
    ``control`` is where its gRPC listens, for loads that hold up no request.
    ``control_key`` is what a server with restricted APIs asks for in the header telltale-control; ``instances``,
    KIND_CPU or KIND_GPU, is put in the place of what each config.pbtxt says.
    """

    server: Server = "triton"
    loads_together = True

    def __init__(
        self,
        url: str,
        *,
        repository: Path,
        load_timeout_s: float,
        slots: int,
        control: str | None = None,
        control_key: str | None = None,
        instances: str | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._client = InferenceServerClient(parts.netloc + parts.path.rstrip("/"), ssl=parts.scheme == "https")
        if control_key is not None:
            self._client.register_plugin(_ControlKey(control_key))
        self._control: TritonControl = GrpcControl(control, control_key) if control else HttpControl(self._client)
        self._instances = instances
        self._repository = repository
        self._load_timeout_s = load_timeout_s
        self._slots = Slots(slots)
        self._told: dict[str, Versions] = {}
        self._refused: dict[str, tuple[Versions, str, float]] = {}
        self._unsettled: set[str] = set()
        self._late: set[str] = set()
        self._missed = 0

    def members(self) -> Sequence[Backend]:
        """This one server."""
        return (self,)

    @property
    def waiting(self) -> int:
        """Batches that wait for a slot."""
        return self._slots.waiting

    async def alive(self) -> bool:
        """Whether the server answers its liveness probe."""
        try:
            async with self._speaking("its health", timeout_s=2.0):
                live = bool(await self._client.is_server_live())
        except BackendTimeout:
            self._missed += 1
            return self._missed < PATIENCE
        except BackendError:
            return False
        self._missed = 0
        return live

    async def ready(self, model: str, version: int) -> bool:
        """Whether one version is loaded; a dead stub behind it does not show here."""
        async with self._speaking(model, timeout_s=_STATUS_TIMEOUT_S):
            return bool(await self._client.is_model_ready(model, str(version)))

    async def describe(self, call: ModelCall) -> Signature:
        """The tensors that config.pbtxt declares, which its backend has compared with the graph's when it loaded it."""
        async with self._speaking(call.model, timeout_s=_STATUS_TIMEOUT_S):
            metadata = await self._client.get_model_metadata(call.model, str(call.version))
            config = await self._client.get_model_config(call.model, str(call.version))
            return Signature(
                inputs={tensor["name"]: _typed(tensor) for tensor in metadata["inputs"]},
                outputs={tensor["name"]: _typed(tensor) for tensor in metadata["outputs"]},
                max_batch=config["max_batch_size"],
            )

    async def serve(self, wanted: Mapping[str, Wanted]) -> Served:
        """Load each model with exactly the versions wanted; one that fails or takes too long does not stop the rest.

        A model that is not wanted is unloaded when its folder is gone from the repository, or this gateway had loaded
        it. Triton knows no labels. A load reads all of a model's versions that it names.
        """
        failures: dict[str, str] = {}
        read: dict[str, Versions] = {}
        late: dict[str, str] = {}
        await self._unload_others(frozenset(wanted))
        # What took too long before goes last, should the server hang over it.
        for model in sorted(wanted, key=lambda model: model in self._late):
            versions = wanted[model].versions
            tried, refusal, when = self._refused.get(model, (frozenset(), "", 0.0))
            if tried == versions and time.monotonic() - when < _RETRY_AFTER_S:
                failures[model] = refusal
                continue
            try:
                if await self._settle(model, versions, wanted[model].changed):
                    read[model] = versions
            except BackendTimeout as error:
                self._told.pop(model, None)
                self._unsettled.add(model)
                self._late.add(model)
                # A server that answers otherwise is slow over this model alone.
                await self.ready(model, max(versions))
                late[model], read[model] = str(error), versions
            except (BackendUnavailable, BackendBusy):
                # The server's trouble, which says nothing about the version.
                self._told.pop(model, None)
                self._unsettled.add(model)
                raise
            except _Unconfigured as error:
                self._told.pop(model, None)
                self._unsettled.add(model)
                failures[model] = str(error)
            except BackendError as error:
                # What it had goes on serving, also what is no longer wanted: the next load has to say so again.
                self._told.pop(model, None)
                self._unsettled.add(model)
                self._refused[model] = (versions, str(error), time.monotonic())
                failures[model], read[model] = str(error), versions
            except Exception as error:
                # A fault of our own over one model's files costs that model, and no other.
                _log.exception("loading %s failed", model)
                self._told.pop(model, None)
                self._unsettled.add(model)
                failures[model] = f"it could not be asked for: {type(error).__name__}: {error}"
                read[model] = versions
        return Served(failures, read, late)

    async def _settle(self, model: str, versions: Versions, changed: Versions) -> bool:
        """Load a model unless it is as wanted, and whether it was; never with a version whose files are no longer those
        that it has."""
        if changed and any([await self.ready(model, version) for version in changed]):
            # Every load that keeps it would read it anew: what is there stays as it is.
            self._told.pop(model, None)
            self._unsettled.add(model)
            return False
        sound = versions - changed
        if not sound:
            return False
        as_told = self._told.get(model, sound) == sound and model not in self._unsettled
        due = not as_told or not await self._all_ready(model, sound)
        if due:
            await self._load(model, sound)
        self._told[model] = sound
        self._unsettled.discard(model)
        self._late.discard(model)
        self._refused.pop(model, None)
        return due

    async def revive(self, model: str, versions: Versions) -> None:
        """Unload and load: the only thing that brings back a stub that died."""
        async with self._speaking(model, timeout_s=self._load_timeout_s):
            await self._control.unload(model, self._load_timeout_s)
            while any([await self._client.is_model_ready(model, str(v)) for v in versions]):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
        await self._load(model, versions)

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
        async with self._slots, self._speaking(f"{call.model} {call.version}", timeout_s=call.timeout_s):
            tensor = InferInput(call.tensors.input, list(batch.shape), np_to_triton_dtype(batch.dtype))
            tensor.set_data_from_numpy(np.ascontiguousarray(batch), binary_data=True)
            outputs = [InferRequestedOutput(name, binary_data=True) for name in names]
            result = await self._client.infer(
                call.model, [tensor], model_version=str(call.version), outputs=outputs, headers=carried()
            )
            answers = [result.as_numpy(name) for name in names]
        for name, answer in zip(names, answers, strict=True):
            if answer is None:
                raise BackendRefused(f"{call.model} {call.version} has no output named {name}")
        return answers

    async def close(self) -> None:
        """Close the connections."""
        await self._control.close()
        await self._client.close()

    async def _unload_others(self, wanted: frozenset[str]) -> None:
        async with self._speaking("its models", timeout_s=_STATUS_TIMEOUT_S):
            loaded = await self._control.ready(_STATUS_TIMEOUT_S)
        for model in sorted(loaded - wanted):
            if model in self._told or not (self._repository / model).is_dir():
                async with self._speaking(model, timeout_s=self._load_timeout_s):
                    await self._control.unload(model, self._load_timeout_s)
                self._told.pop(model, None)

    async def _all_ready(self, model: str, versions: Versions) -> bool:
        return all([await self.ready(model, version) for version in versions])

    async def _load(self, model: str, versions: Versions) -> None:
        # Never a plain load: that follows the version policy of config.pbtxt, by default "the latest", which may be a
        # folder that is still being copied, and fails for it though the versions wanted are sound.
        config = self._config(model, versions)
        async with self._speaking(model, timeout_s=self._load_timeout_s):
            await self._control.load(model, config, self._load_timeout_s)
            while not await self._all_ready(model, versions):  # noqa: ASYNC110 - the server has nothing to wait on
                await asyncio.sleep(_POLL_S)

    def _config(self, model: str, versions: Versions) -> str:
        """config.pbtxt as the JSON of a load-time override, with a policy that names the versions."""
        try:
            config = text_format.Parse((self._repository / model / CONFIG_FILE).read_text("utf-8"), ModelConfig())
        except OSError as error:
            raise _Unconfigured(f"{CONFIG_FILE} of {model} cannot be read: {error.strerror}") from error
        except (UnicodeDecodeError, text_format.ParseError) as error:
            raise _Unconfigured(f"{CONFIG_FILE} of {model} cannot be read: {error}") from error
        config.version_policy.Clear()
        config.version_policy.specific.versions.extend(sorted(versions))
        if self._instances is not None:
            for group in config.instance_group or [config.instance_group.add()]:
                group.kind = ModelInstanceGroup.Kind.Value(self._instances)
        return str(json_format.MessageToJson(config, preserving_proto_field_name=True))

    @asynccontextmanager
    async def _speaking(self, about: str, *, timeout_s: float) -> AsyncIterator[None]:
        """Turn what the client raises into this room's errors."""
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError as error:
            raise BackendTimeout(f"Triton did not answer about {about} within {timeout_s:g} s") from error
        except InferenceServerException as error:
            raise _refusal(error, about) from error
        except (aiohttp.ClientError, OSError) as error:
            raise BackendUnavailable(f"Triton cannot be reached: {error or type(error).__name__}") from error
        except ValueError as error:
            raise BackendRefused(f"Triton's answer about {about} cannot be read: {error}") from error


def _refusal(error: InferenceServerException, about: str) -> BackendRefused:
    message = in_one_line(error.message() or "")
    if _DEAD_STUB.search(message):
        return BackendDied(f"Triton refused {about}: {message}")
    if error.status() in _NO_ROOM:
        return BackendBusy(f"Triton cannot take {about} now: {message}")
    return BackendRefused(f"Triton refused {about}: {message}")


class _ControlKey(InferenceServerClientPlugin):  # type: ignore[misc]  # the client carries no annotations
    """Sends the key with every call; which calls need it is the server's affair."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Any) -> None:
        request.headers[CONTROL_HEADER] = self._key


def _typed(tensor: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
    kind = triton_to_np_dtype(tensor["datatype"])
    name = tensor["datatype"] if kind is None else np.dtype(kind).name
    return name, tuple(int(size) for size in tensor["shape"])
