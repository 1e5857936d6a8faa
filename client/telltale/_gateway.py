"""The gateway's calls that operators need."""

from __future__ import annotations

from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

# An order that is waited for may take as long as the gateway lets it, and this much more on the way.
_ORDER_TIMEOUT_S = 600.0
_TIMEOUT_S = 30.0


class GatewayProblem(Exception):
    """The gateway said no, or cannot be reached. ``hint`` says what to do, ``code`` is stable.

    ``status`` is None where there was no answer; ``retry_after_s`` is when it asks to be asked again.
    """

    def __init__(
        self,
        detail: str,
        hint: str,
        code: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class Gateway:
    """A connection to one gateway."""

    def __init__(self, url: str, key: str | None = None) -> None:
        """``key`` is one that may operate, where the gateway asks for one."""
        headers = {"X-API-Key": key} if key else {}
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_S, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def models(self) -> list[dict[str, Any]]:
        """All detectors, as GET /models gives them."""
        models: list[dict[str, Any]] = self._ask("GET", "/models")
        return models

    def model(self, name: str) -> dict[str, Any]:
        """One detector."""
        model: dict[str, Any] = self._ask("GET", f"/models/{name}")
        return model

    def history(self, name: str) -> list[dict[str, Any]]:
        """What was done to a detector's versions, oldest first."""
        events: list[dict[str, Any]] = self._ask("GET", f"/models/{name}/history")
        return events

    def diff(self, name: str, left: int, right: int) -> dict[str, Any]:
        """How the scores of two versions differ."""
        diff: dict[str, Any] = self._ask("GET", f"/models/{name}/diff", params={"left": left, "right": right})
        return diff

    def order(self, name: str, **order: Any) -> dict[str, Any]:
        """Change which version answers; the receipt says what was done and what happens next."""
        receipt: dict[str, Any] = self._ask("POST", f"/models/{name}/rollout", json=order, timeout=_ORDER_TIMEOUT_S)
        return receipt

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = self._client.request(method, path, **request)
        except httpx.TransportError as error:
            raise GatewayProblem(
                f"{self._client.base_url} cannot be reached: {error}", "Is the gateway running there?", "unreachable"
            ) from error
        if response.status_code == HTTPStatus.OK:
            return response.json()
        raise problem_of(response)


def problem_of(response: httpx.Response) -> GatewayProblem:
    """What an answer other than 200 says."""
    wait = response.headers.get("Retry-After", "")
    how: dict[str, Any] = {"status": response.status_code, "retry_after_s": float(wait) if wait.isdigit() else None}
    if response.headers.get("content-type") == "application/problem+json":
        problem = response.json()
        how["request_id"] = problem.get("request_id")
        return GatewayProblem(problem["detail"], problem["hint"], problem["code"], **how)
    said = f"HTTP {response.status_code}: {response.text[:200]}"
    return GatewayProblem(said, "Is this Telltale?", "unexpected", **how)
