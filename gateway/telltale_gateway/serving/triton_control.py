"""Telling a Triton what to load: over gRPC, or over HTTP where there is nothing else.

A load over HTTP holds the server's thread that its connection came to, and every other connection of that thread,
requests included, waits until the load is done: seconds. Triton gives most connections to one thread, however many it
has. Over gRPC nobody waits.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Protocol

import grpc
import grpc.aio
from tritonclient.grpc import service_pb2
from tritonclient.http.aio import InferenceServerClient

from telltale_gateway.serving.backend import BackendBusy, BackendRefused, BackendTimeout, BackendUnavailable
from telltale_gateway.serving.channels import FIND_AGAIN

CONTROL_HEADER = "telltale-control"

# Triton asks for the header under this prefix when it is called over gRPC.
_GRPC_HEADER = f"triton-grpc-protocol-{CONTROL_HEADER}"
_SERVICE = "/inference.GRPCInferenceService"
_GONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


# The folders of an absolute path, which are of no use to who reads what went wrong: the server's log has them.
_FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^\s/:]+/)+(?=[^\s/:])")


def in_one_line(message: str) -> str:
    """What a server says went wrong: its first line, which is followed by where in its code; paths by their names."""
    lines = (line.strip() for line in message.splitlines())
    return _FOLDERS.sub("", next((line for line in lines if line), "it gave no reason"))


class TritonControl(Protocol):
    """The calls that change what is loaded. They raise this room's errors, or those of the HTTP client."""

    async def load(self, model: str, config: str, timeout_s: float) -> None:
        """Load a model with a configuration, JSON, in place of its config.pbtxt."""
        ...

    async def unload(self, model: str, timeout_s: float) -> None:
        """Begin to unload a model."""
        ...

    async def ready(self, timeout_s: float) -> frozenset[str]:
        """The models of which a version is ready."""
        ...

    async def close(self) -> None:
        """Give back the connection."""
        ...


class HttpControl:
    """Over the HTTP client that the requests use too."""

    def __init__(self, client: InferenceServerClient) -> None:
        self._client = client

    async def load(self, model: str, config: str, timeout_s: float) -> None:
        """Load a model; returns once it is loaded or refused."""
        async with asyncio.timeout(timeout_s):
            await self._client.load_model(model, config=config)

    async def unload(self, model: str, timeout_s: float) -> None:
        """Begin to unload a model."""
        async with asyncio.timeout(timeout_s):
            await self._client.unload_model(model)

    async def ready(self, timeout_s: float) -> frozenset[str]:
        """The models of which a version is ready."""
        async with asyncio.timeout(timeout_s):
            index = await self._client.get_model_repository_index()
        return frozenset(entry["name"] for entry in index if entry.get("state") == "READY")

    async def close(self) -> None:
        """Nothing: the client is its owner's."""


class GrpcControl:
    """Over a channel of its own. Made inside a running event loop."""

    def __init__(self, target: str, key: str | None = None) -> None:
        self._metadata = ((_GRPC_HEADER, key),) if key is not None else ()
        self._channel = grpc.aio.insecure_channel(target, options=FIND_AGAIN)

    async def load(self, model: str, config: str, timeout_s: float) -> None:
        """Load a model; returns once it is loaded or refused."""
        request = service_pb2.RepositoryModelLoadRequest(model_name=model)
        request.parameters["config"].string_param = config
        await self._call("RepositoryModelLoad", request, service_pb2.RepositoryModelLoadResponse, model, timeout_s)

    async def unload(self, model: str, timeout_s: float) -> None:
        """Begin to unload a model."""
        request = service_pb2.RepositoryModelUnloadRequest(model_name=model)
        await self._call("RepositoryModelUnload", request, service_pb2.RepositoryModelUnloadResponse, model, timeout_s)

    async def ready(self, timeout_s: float) -> frozenset[str]:
        """The models of which a version is ready."""
        request = service_pb2.RepositoryIndexRequest(ready=True)
        answer = await self._call(
            "RepositoryIndex", request, service_pb2.RepositoryIndexResponse, "its models", timeout_s
        )
        return frozenset(entry.name for entry in answer.models)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close(None)

    async def _call(self, method: str, request: Any, response: Any, about: str, timeout_s: float) -> Any:
        call = self._channel.unary_unary(
            f"{_SERVICE}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        try:
            return await call(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise BackendTimeout(f"Triton did not answer about {about} within {timeout_s:g} s") from error
            if error.code() in _GONE:
                raise BackendUnavailable(f"Triton cannot be reached: {error.details()}") from error
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise BackendBusy(f"Triton cannot take {about} now: {error.details()}") from error
            raise BackendRefused(f"Triton refused {about}: {in_one_line(error.details() or '')}") from error
