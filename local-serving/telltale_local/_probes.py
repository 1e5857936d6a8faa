"""Does a server answer?"""

from __future__ import annotations

from http import HTTPStatus

import grpc
import httpx
from grpc import aio
from telltale_tfserving import GetModelStatusRequest, ModelSpec, ModelStub

from telltale_local._child import Probe

PROBE_TIMEOUT_S = 5.0


def http_ok(url: str) -> Probe:
    """A probe that holds when a GET answers 200."""

    async def probe() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=PROBE_TIMEOUT_S) as client:
            try:
                return (await client.get(url)).status_code == HTTPStatus.OK
            except httpx.TransportError:
                return False

    return probe


def model_service_answers(target: str) -> Probe:
    """A probe that holds when TensorFlow Serving's ModelService answers anything, be it that it knows no such model."""

    async def probe() -> bool:
        async with aio.insecure_channel(target) as channel:
            request = GetModelStatusRequest(model_spec=ModelSpec(name="telltale-probe"))
            try:
                await ModelStub(channel).get_model_status(request, timeout=PROBE_TIMEOUT_S)
            except aio.AioRpcError as error:
                return error.code() not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
            return True

    return probe
