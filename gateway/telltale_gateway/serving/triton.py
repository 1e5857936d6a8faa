"""NVIDIA Triton over HTTP with binary tensors (KServe v2 and its binary and repository extensions)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Server
from tritonclient.http.aio import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from telltale_gateway.serving.backend import (
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
    ModelCall,
    as_probabilities,
)

_POLL_S = 0.05


class Triton:
    """One Triton server in explicit model-control mode. Made inside a running event loop."""

    server: Server = "triton"

    def __init__(self, url: str, *, load_timeout_s: float) -> None:
        parts = urlsplit(url)
        self._client = InferenceServerClient(parts.netloc + parts.path.rstrip("/"), ssl=parts.scheme == "https")
        self._load_timeout_s = load_timeout_s

    async def alive(self) -> bool:
        """Whether the server answers its liveness probe."""
        try:
            async with self._speaking("Triton", timeout_s=2.0):
                return bool(await self._client.is_server_live())
        except BackendError:
            return False

    async def ready(self, model: str, version: int) -> bool:
        """Whether one version is loaded; a dead stub behind it does not show here."""
        async with self._speaking(model, timeout_s=5.0):
            return bool(await self._client.is_model_ready(model, str(version)))

    async def serve(self, wanted: Mapping[str, tuple[int, ...]]) -> None:
        """Load what is missing, each model with exactly the versions wanted; one that fails does not stop the rest."""
        failures: list[BackendError] = []
        for model, versions in wanted.items():
            try:
                if not await self._all_ready(model, versions):
                    await self._load(model, versions)
            except BackendError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    async def revive(self, model: str, versions: tuple[int, ...]) -> None:
        """Unload and load: the only thing that brings back a stub that died."""
        async with self._speaking(model, timeout_s=self._load_timeout_s):
            await self._client.unload_model(model)
            while any([await self._client.is_model_ready(model, str(v)) for v in versions]):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
        await self._load(model, versions)

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        """P(fake) of each item of one batch."""
        tensor = InferInput(call.tensors.input, list(batch.shape), np_to_triton_dtype(batch.dtype))
        tensor.set_data_from_numpy(np.ascontiguousarray(batch), binary_data=True)
        output = InferRequestedOutput(call.tensors.probability, binary_data=True)
        async with self._speaking(call.model, timeout_s=call.timeout_s):
            result = await self._client.infer(call.model, [tensor], model_version=str(call.version), outputs=[output])
            scores = result.as_numpy(call.tensors.probability)
        if scores is None:
            raise BackendRefused(f"{call.model} {call.version} has no output named {call.tensors.probability}")
        return as_probabilities(call.model, scores, batch.shape[0])

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _all_ready(self, model: str, versions: tuple[int, ...]) -> bool:
        return all([await self.ready(model, version) for version in versions])

    async def _load(self, model: str, versions: tuple[int, ...]) -> None:
        # A plain load follows config.pbtxt, whose policy is "the latest". Where other versions are wanted, the same
        # configuration is given back with a policy that names them; Triton takes an override only as a whole.
        async with self._speaking(model, timeout_s=self._load_timeout_s):
            await self._client.load_model(model)
            if not await self._all_ready(model, versions):
                config = await self._client.get_model_config(model)
                config["version_policy"] = {"specific": {"versions": list(versions)}}
                await self._client.load_model(model, config=json.dumps(config))
            while not await self._all_ready(model, versions):  # noqa: ASYNC110 - nothing to wait on
                await asyncio.sleep(_POLL_S)

    @asynccontextmanager
    async def _speaking(self, about: str, *, timeout_s: float) -> AsyncIterator[None]:
        """Turn what the client raises into this room's errors."""
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError as error:
            raise BackendTimeout(f"Triton did not answer about {about} within {timeout_s:g} s") from error
        except InferenceServerException as error:
            raise BackendRefused(f"Triton refused {about}: {error.message()}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise BackendUnavailable(f"Triton cannot be reached: {error or type(error).__name__}") from error
