"""Who gets in: a gateway with keys, over real sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt
import pytest
from telltale_gateway.security import KeyFile

from tests.gateway.running import RunningGateway, problem_of, running_gateway

SECRET = "k3Vq9-fZ1LrT8mXw2BnY6pDs4GhJ7cAu"  # noqa: S105 of these tests only
ISSUER = "https://issuer.example"
ORIGIN = "https://page.example"


@dataclass(frozen=True)
class Guarded:
    """A gateway that asks for keys, and some."""

    gateway: RunningGateway
    keys: KeyFile
    analyst: str
    operator: str

    def ask(self, method: str, path: str, key: str | None = None, **more: object) -> httpx.Response:
        headers = {"X-API-Key": key} if key is not None else {}
        return self.gateway.client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def guarded(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    keys = KeyFile(folder / "keys.json")
    analyst, _ = keys.create("analyst", frozenset({"analyse"}), 1000)
    operator, _ = keys.create("operator", frozenset({"operate"}), 1000)
    settings = {
        "TELLTALE_AUTH__KEYS_FILE": str(folder / "keys.json"),
        "TELLTALE_AUTH__JWT_SECRET": SECRET,
        "TELLTALE_AUTH__ISSUER": ISSUER,
        "TELLTALE_CORS_ORIGINS": json.dumps([ORIGIN]),
        "TELLTALE_URLS__ENABLED": "true",
    }
    with running_gateway(toy_repository, folder, settings) as gateway:
        yield Guarded(gateway, keys, analyst, operator)


MEDIA = {"file": ("clip.mp4", b"media")}
ORDER = {"action": "rollback"}


@pytest.mark.parametrize("path", ["/models", "/models/toy-face", "/metrics", "/nowhere", "/models/toy-face/history"])
def test_without_a_key_nothing_is_read(guarded: Guarded, path: str) -> None:
    response = guarded.ask("GET", path)
    problem_of(response, 401, "not_authenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/health", "/docs", "/redoc", "/openapi.json"])
def test_what_says_that_it_lives_and_what_it_is_needs_no_key(guarded: Guarded, path: str) -> None:
    assert guarded.ask("GET", path).status_code in {200, 503}


def test_every_other_path_that_there_is_needs_one(guarded: Guarded) -> None:
    document = guarded.ask("GET", "/openapi.json").json()
    opened = {path for path, operations in document["paths"].items() for o in operations.values() if not o["security"]}
    assert opened <= {"/health", "/ping"}
    for path, operations in document["paths"].items():
        for method in operations:
            if path not in opened:
                problem_of(guarded.ask(method.upper(), path.replace("{name}", "x")), 401, "not_authenticated")


@pytest.mark.parametrize("key", ["wrong", "tt_00000000_" + "x" * 43, "é"])
def test_a_wrong_key_is_no_key(guarded: Guarded, key: str) -> None:
    response = guarded.gateway.client.get("/models", headers=[(b"X-API-Key", key.encode())])
    problem_of(response, 401, "not_authenticated")


def test_each_scope_does_its_own(guarded: Guarded) -> None:
    problem_of(guarded.ask("POST", "/predict", guarded.operator, files=MEDIA), 403, "not_allowed")
    problem_of(guarded.ask("POST", "/models/toy-face/rollout", guarded.analyst, json=ORDER), 403, "not_allowed")
    problem_of(guarded.ask("POST", "/predict", guarded.analyst, files=MEDIA), 503, "no_detector_available")
    problem_of(guarded.ask("POST", "/models/toy-face/rollout", guarded.operator, json=ORDER), 409, "order_refused")
    for key in (guarded.analyst, guarded.operator):
        assert guarded.ask("GET", "/models", key).status_code == 200


def test_a_key_may_come_as_a_bearer_token_and_two_credentials_are_one_too_many(guarded: Guarded) -> None:
    bearer = {"Authorization": f"Bearer {guarded.analyst}"}
    client = guarded.gateway.client
    assert client.get("/metrics", headers=bearer).status_code == 200
    problem_of(client.get("/models", headers={**bearer, "X-API-Key": guarded.analyst}), 401, "not_authenticated")


def test_a_token_gets_in_and_a_stale_one_does_not(guarded: Guarded) -> None:
    def ask(expires_in: float) -> httpx.Response:
        claims = {"iss": ISSUER, "aud": "telltale", "sub": "ada", "scope": "analyse", "exp": time.time() + expires_in}
        bearer = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}
        return guarded.gateway.client.post("/predict", headers=bearer, files=MEDIA)

    problem_of(ask(60), 503, "no_detector_available")
    assert "expired" in problem_of(ask(-60), 401, "not_authenticated").detail


def test_a_revoked_key_is_refused_at_once(guarded: Guarded) -> None:
    text, key = guarded.keys.create("short-lived", frozenset({"analyse"}))
    assert guarded.ask("GET", "/models", text).status_code == 200
    guarded.keys.revoke(key.prefix)
    problem_of(guarded.ask("GET", "/models", text), 401, "not_authenticated")


def test_over_its_rate_a_key_is_told_when_to_come_back(guarded: Guarded) -> None:
    text, _ = guarded.keys.create("slow", frozenset({"analyse"}), 3)
    assert [guarded.ask("GET", "/models", text).status_code for _ in range(4)] == [200, 200, 200, 429]
    response = guarded.ask("GET", "/models", text)
    problem_of(response, 429, "too_many_requests")
    assert 1 <= int(response.headers["Retry-After"]) <= 61
    assert guarded.ask("GET", "/models", guarded.analyst).status_code == 200


def test_a_stranger_s_body_is_not_even_read(guarded: Guarded) -> None:
    with socket.create_connection(("127.0.0.1", guarded.gateway.port), timeout=10) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 90000000\r\n\r\n--b\r\n"
        )
        assert b" 401 " in connection.recv(4096).partition(b"\r\n")[0]


def test_pages_of_named_origins_may_ask_and_no_others(guarded: Guarded) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    client = guarded.gateway.client
    allowed = client.options("/predict", headers={"Origin": ORIGIN, **asked})
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    for wrong in (
        {"Origin": "https://evil.example"},
        {"Origin": ORIGIN, "Access-Control-Request-Method": "DELETE"},
        {"Origin": ORIGIN, "Access-Control-Request-Headers": "cookie"},
    ):
        refused = client.options("/predict", headers={**asked, **wrong})
        problem_of(refused, 403, "not_allowed")
        assert refused.headers["Vary"] == "Origin"
        assert "https://evil.example" not in refused.headers.get("Access-Control-Allow-Origin", "")


@pytest.mark.parametrize("path", ["/health", "/models", "/nowhere", "/docs"])
def test_every_answer_tells_browsers_what_not_to_do(guarded: Guarded, path: str) -> None:
    headers = guarded.ask("GET", path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers
    assert "server" not in headers


def test_the_log_is_one_json_line_a_request_without_any_secret(guarded: Guarded) -> None:
    guarded.ask("POST", "/predict?max_frames=3", guarded.operator, files={"file": ("private-name.mp4", b"x")})
    problem_of(guarded.ask("GET", "/models", "wrong-key-that-must-not-show"), 401, "not_authenticated")
    text = guarded.gateway.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    request = next(line for line in lines if line.get("route") == "/predict" or line.get("code") == "not_allowed")
    assert {"request_id", "method", "route", "status", "ms", "client", "caller", "code", "timestamp"} <= request.keys()
    assert any("(operator)" in (line.get("caller") or "") for line in lines)
    for secret in (guarded.analyst, guarded.operator, SECRET, "wrong-key-that-must-not-show", "private-name"):
        assert secret not in text
    assert str(guarded.gateway.log.parent) not in text


@pytest.mark.parametrize("path", ["/predict", "/predict_video", "/detect/video", "/analyze/visualize"])
@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("http://127.0.0.1/clip.mp4", 422, "url_unreachable"),
        ("http://[::ffff:169.254.169.254]/latest", 422, "url_unreachable"),
        ("file:///etc/hostname", 400, "url_refused"),
    ],
)
def test_a_url_is_taken_wherever_a_file_is_and_leads_nowhere_private(
    guarded: Guarded, path: str, url: str, status: int, code: str
) -> None:
    problem_of(guarded.ask("POST", path, guarded.analyst, data={"url": url}), status, code)


def test_refusals_are_counted_by_code_and_by_the_route_that_was_meant(guarded: Guarded) -> None:
    guarded.ask("GET", "/models")
    guarded.ask("HEAD", "/models/toy-face/history")
    guarded.ask("POST", "/predict", guarded.operator, files=MEDIA)
    guarded.ask("PUT", "/detect/video")
    guarded.gateway.client.options("/info", headers={"Origin": "null", "Access-Control-Request-Method": "GET"})
    text = guarded.ask("GET", "/metrics", guarded.analyst).text
    for method, route, status in (
        ("GET", "/models", 401),
        ("HEAD", "/models/{name}/history", 401),
        ("POST", "/predict", 403),
        ("PUT", "/detect/video", 401),
        ("OPTIONS", "/info", 403),
    ):
        assert f'telltale_requests_total{{method="{method}",route="{route}",status="{status}"}}' in text
    assert 'telltale_refusals_total{code="not_authenticated"}' in text
    assert "telltale_analyses_running 0.0" in text
    assert "telltale_requests_in_flight 1.0" in text


def test_a_damaged_file_of_keys_closes_the_door(toy_repository: Path, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    text, _ = keys.create("ci", frozenset({"analyse"}))
    settings = {"TELLTALE_AUTH__KEYS_FILE": str(tmp_path / "keys.json")}
    with running_gateway(toy_repository, tmp_path, settings) as gateway:
        assert gateway.client.get("/models", headers={"X-API-Key": text}).status_code == 200
        (tmp_path / "keys.json").write_text("{")
        response = gateway.client.get("/models", headers={"X-API-Key": text})
        problem_of(response, 503, "authentication_unavailable")
        assert response.headers["Retry-After"]
