"""The gateway's calls that operators need."""

from __future__ import annotations

from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

# An order that is waited for may take as long as the gateway lets it, and this much more on the way.
_ORDER_TIMEOUT_S = 600.0
_TIMEOUT_S = 30.0
# What its answers must have, to be its answers.
_MODEL = frozenset({"name", "manifest", "rollout", "live", "ready", "versions", "canary", "gateways"})
_EVENT = frozenset({"at", "action", "version", "who", "why"})
_DIFF = frozenset({"detector", "golden", "traffic"})
_RECEIPT = frozenset({"done", "next"})
_PROBLEM = frozenset({"detail", "hint", "code"})


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
    """A connection to one gateway. Every method raises GatewayProblem, and asks once."""

    def __init__(self, url: str, key: str | None = None, *, token: str | None = None) -> None:
        """``key`` or ``token`` is one that may operate, where the gateway asks for one."""
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_S, headers=credentials(key, token))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def models(self) -> list[dict[str, Any]]:
        """All detectors, as GET /models gives them."""
        return self._several(_MODEL, "GET", "/models")

    def model(self, name: str) -> dict[str, Any]:
        """One detector."""
        return self._one(_MODEL, "GET", f"/models/{name}")

    def history(self, name: str) -> list[dict[str, Any]]:
        """What was done to a detector's versions, oldest first."""
        return self._several(_EVENT, "GET", f"/models/{name}/history")

    def diff(self, name: str, left: int, right: int) -> dict[str, Any]:
        """How the scores of two versions differ."""
        return self._one(_DIFF, "GET", f"/models/{name}/diff", params={"left": left, "right": right})

    def order(self, name: str, **order: Any) -> dict[str, Any]:
        """Change which version answers; the receipt says what was done and what happens next."""
        return self._one(_RECEIPT, "POST", f"/models/{name}/rollout", json=order, timeout=_ORDER_TIMEOUT_S)

    def _one(self, fields: frozenset[str], method: str, path: str, **request: Any) -> dict[str, Any]:
        response = self._ask(method, path, **request)
        answer: dict[str, Any] = answer_of(response)
        if not _has(fields, answer):
            raise _not_telltale(response, "is not what was asked for")
        return answer

    def _several(self, fields: frozenset[str], method: str, path: str) -> list[dict[str, Any]]:
        response = self._ask(method, path)
        answer: list[dict[str, Any]] = answer_of(response)
        if not isinstance(answer, list) or not all(_has(fields, each) for each in answer):
            raise _not_telltale(response, "is not what was asked for")
        return answer

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **request)
        except httpx.TransportError as error:
            raise broken(self._client.base_url, error) from error


def credentials(api_key: str | None, token: str | None) -> dict[str, str]:
    """The header that lets a caller in; none without either.

    Raises:
        ValueError: both are given.
    """
    if api_key and token:
        raise ValueError("give an api_key or a token, not both")
    if api_key:
        return {"X-API-Key": api_key}
    return {"Authorization": f"Bearer {token}"} if token else {}


def broken(url: object, error: httpx.TransportError) -> GatewayProblem:
    """What a connection means that could not be made, or ended before the answer."""
    if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError) and not isinstance(error, httpx.ConnectError):
        said = f"{url} hung up without an answer ({str(error) or type(error).__name__})."
    else:
        said = f"{url} cannot be reached: {str(error) or type(error).__name__}."
    return GatewayProblem(said, "Is a Telltale gateway running there?", "unreachable")


def answer_of(response: httpx.Response) -> Any:
    """The JSON of an answer.

    Raises:
        GatewayProblem: the gateway says no, or what answers is no gateway of Telltale.
    """
    if response.status_code != HTTPStatus.OK:
        raise _problem_of(response)
    try:
        return response.json()
    except ValueError as error:
        raise _not_telltale(response, "is not JSON") from error


def _problem_of(response: httpx.Response) -> GatewayProblem:
    """What an answer other than 200 says."""
    wait = response.headers.get("Retry-After", "")
    how: dict[str, Any] = {"status": response.status_code, "retry_after_s": float(wait) if wait.isdigit() else None}
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not _has(_PROBLEM, problem):
        return _not_telltale(response, f"is no problem as Telltale words them ({response.text[:200]})", **how)
    how["request_id"] = problem.get("request_id")
    return GatewayProblem(problem["detail"], problem["hint"], problem["code"], **how)


def _not_telltale(response: httpx.Response, why: str, **how: Any) -> GatewayProblem:
    return GatewayProblem(
        f"{response.request.url} answered HTTP {response.status_code}, and the answer {why}: no Telltale gateway "
        "answers so, or it is of another version than this client.",
        "Check the URL (--url, TELLTALE_URL): it must be that of a gateway, not of another server or a proxy's page.",
        "unexpected",
        **how,
    )


def _has(fields: frozenset[str], answer: Any) -> bool:
    return isinstance(answer, dict) and fields <= answer.keys()
