"""The client of preprocess-service: one upload and a recipe go there, one TensorBundle comes back."""

from __future__ import annotations

import asyncio

import httpx
from pydantic import ValidationError
from telltale_contracts import MalformedBundle, Problem, Recipe, TensorBundle

from telltale_gateway.analysis.media import MediaSource
from telltale_gateway.errors import AnalysisTimeout, PreprocessUnavailable, UpstreamProblem
from telltale_gateway.tracing import call_span, carried

_HINT = "Send the same request again in a few seconds."
_RETRY_AFTER_S = 2


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
        try:
            with call_span("preprocess"):
                response = await self._client.post(
                    "/bundle",
                    files={"media": ("upload", media.stream, "application/octet-stream")},
                    data={"recipe": recipe.model_dump_json()},
                    headers={"X-Request-ID": request_id, **carried()},
                )
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
        if response.status_code != httpx.codes.OK:
            raise _refusal(response)
        try:
            return await asyncio.to_thread(TensorBundle.from_bytes, response.content)
        except MalformedBundle as error:
            raise PreprocessUnavailable(
                "Preprocessing answered something that is not a tensor bundle.", _HINT, retry_after_s=_RETRY_AFTER_S
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
