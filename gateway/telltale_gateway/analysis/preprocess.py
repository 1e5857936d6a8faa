"""The client of preprocess-service: one upload and a recipe go there, one TensorBundle comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import httpx
from pydantic import ValidationError
from telltale_contracts import Drawing, MalformedBundle, Problem, Recipe, TensorBundle

from telltale_gateway.analysis.media import MediaSource
from telltale_gateway.errors import AnalysisTimeout, PreprocessUnavailable, UpstreamProblem
from telltale_gateway.tracing import call_span, carried

_HINT = "Send the same request again in a few seconds."
_RETRY_AFTER_S = 2


class Rendered:
    """A drawing as it arrives; closing it early ends the process that draws."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.media_type: str = response.headers.get("content-type", "application/octet-stream")

    def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes, as they come."""
        return self._response.aiter_bytes()

    async def read(self) -> bytes:
        """All of it, and the end of it.

        Raises:
            PreprocessUnavailable: it broke off.
        """
        try:
            return await self._response.aread()
        except httpx.TransportError as error:
            raise PreprocessUnavailable("The drawing broke off.", _HINT, retry_after_s=_RETRY_AFTER_S) from error
        finally:
            await self.close()

    async def close(self) -> None:
        """Take no more of it."""
        await self._response.aclose()


class PreprocessClient:
    """Speaks to one preprocess-service, or to several behind one address."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(timeout_s, connect=5.0),
            limits=httpx.Limits(max_keepalive_connections=16),
        )
        self._timeout_s = timeout_s

    async def bundle(self, media: MediaSource, recipe: Recipe, request_id: str) -> TensorBundle:
        """Everything that the recipe names, of one upload.

        Raises:
            UpstreamProblem: preprocessing refused the media; its problem is passed on.
            PreprocessUnavailable: it cannot be reached, or its answer is not a bundle.
            AnalysisTimeout: it took too long.
        """
        with self._translated(), call_span("preprocess"):
            response = await self._client.post(
                "/bundle",
                files={"media": ("upload", media.stream, "application/octet-stream")},
                data={"recipe": recipe.model_dump_json()},
                headers={"X-Request-ID": request_id, **carried()},
            )
        if response.status_code != httpx.codes.OK:
            raise _refusal(response)
        try:
            return await asyncio.to_thread(TensorBundle.from_bytes, response.content)
        except MalformedBundle as error:
            raise PreprocessUnavailable(
                "Preprocessing answered something that is not a tensor bundle.", _HINT, retry_after_s=_RETRY_AFTER_S
            ) from error

    async def render(self, source: BinaryIO, drawing: Drawing, request_id: str) -> Rendered:
        """A drawing on an upload or on an array (npy), which has begun; whoever asks for it closes it.

        Raises:
            UpstreamProblem: preprocessing refused it; its problem is passed on.
            PreprocessUnavailable: it cannot be reached.
            AnalysisTimeout: it took too long to begin.
        """
        source.seek(0)
        request = self._client.build_request(
            "POST",
            "/render",
            files={"media": ("upload", source, "application/octet-stream")},
            data={"drawing": drawing.model_dump_json()},
            headers={"X-Request-ID": request_id, **carried()},
        )
        with self._translated(), call_span("render"):
            response = await self._client.send(request, stream=True)
            if response.status_code != httpx.codes.OK:
                try:
                    await response.aread()
                finally:
                    await response.aclose()
                raise _refusal(response)
        return Rendered(response)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What goes wrong on the way, in the words of our own errors."""
        try:
            yield
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise PreprocessUnavailable(
                "Preprocessing cannot be reached.", _HINT, retry_after_s=_RETRY_AFTER_S
            ) from error
        except httpx.TimeoutException as error:
            raise AnalysisTimeout(
                f"Preprocessing took longer than {self._timeout_s:g} s.",
                "Send a shorter clip, or ask for fewer frames.",
            ) from error
        except httpx.TransportError as error:
            raise PreprocessUnavailable(
                "Preprocessing cannot be reached.", _HINT, retry_after_s=_RETRY_AFTER_S
            ) from error

    async def alive(self) -> bool:
        """Whether the service says that it is healthy; never raises."""
        try:
            return (await self._client.get("/health", timeout=2.0)).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _refusal(response: httpx.Response) -> UpstreamProblem | PreprocessUnavailable:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return PreprocessUnavailable(
            f"Preprocessing answered {response.status_code} without saying why.", _HINT, retry_after_s=_RETRY_AFTER_S
        )
    retry_after = response.headers.get("Retry-After", "")
    return UpstreamProblem(problem, retry_after_s=int(retry_after) if retry_after.isdigit() else None)
