"""What bad requests get, from a gateway whose other services are all down."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from telltale_contracts import Problem

LIMIT = 1_000_000


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def gateway(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    port, nobody = free_port(), free_port()
    temporary = tmp_path_factory.mktemp("gateway")
    environment = os.environ | {
        "TELLTALE_MODEL_REPOSITORY": str(toy_repository),
        "TELLTALE_PREPROCESS_URL": f"http://127.0.0.1:{nobody}",
        "TELLTALE_TRITON_URL": f"http://127.0.0.1:{nobody}",
        "TELLTALE_LIMITS__UPLOAD_BYTES": str(LIMIT),
        "TMPDIR": str(temporary),
    }
    command = [sys.executable, "-m", "telltale_gateway", "--port", str(port)]
    with subprocess.Popen(command, env=environment) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                wait_for_first_round(client, process)
                yield client
        finally:
            process.terminate()
    assert list(temporary.iterdir()) == [], "an upload was left behind"


def wait_for_first_round(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None
        try:
            if client.get("/health").json()["detectors"]:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the gateway did not start")


def problem_of(response: httpx.Response, status: int, code: str) -> Problem:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code) == (status, code)
    assert problem.hint
    assert problem.request_id == response.headers["X-Request-ID"]
    return problem


def post(client: httpx.Client, content: bytes = b"media", **query: str) -> httpx.Response:
    return client.post("/predict", files={"file": ("clip.mp4", content)}, params=query)


@pytest.mark.parametrize("fps", ["-1", "0", "nan", "inf", "soon", "121"])
def test_a_frame_rate_that_cannot_be(gateway: httpx.Client, fps: str) -> None:
    assert "fps" in problem_of(post(gateway, fps=fps), 400, "bad_parameter").detail


@pytest.mark.parametrize("max_frames", ["0", "-3", "1e9", "many", "513"])
def test_a_number_of_frames_that_cannot_be(gateway: httpx.Client, max_frames: str) -> None:
    assert "max_frames" in problem_of(post(gateway, max_frames=max_frames), 400, "bad_parameter").detail


def test_a_parameter_that_does_not_exist_is_not_passed_over(gateway: httpx.Client) -> None:
    assert "frames" in problem_of(post(gateway, frames="3"), 400, "bad_parameter").detail


def test_an_unknown_detector_is_answered_with_the_nearest_name(gateway: httpx.Client) -> None:
    problem = problem_of(post(gateway, detectors="toyface"), 400, "unknown_detector")
    assert "Did you mean toy-face?" in problem.hint


def test_an_empty_list_of_detectors(gateway: httpx.Client) -> None:
    problem_of(post(gateway, detectors=" , "), 400, "unknown_detector")


def test_nobody_to_answer_is_said_before_anything_is_decoded(gateway: httpx.Client) -> None:
    response = post(gateway)
    problem = problem_of(response, 503, "no_detector_available")
    assert int(response.headers["Retry-After"]) > 0
    assert "no tfserving server is configured" in problem.detail
    assert "triton does not answer" in problem.detail


@pytest.mark.parametrize("announced", [True, False])
def test_an_upload_over_the_limit_is_refused_announced_or_not(gateway: httpx.Client, announced: bool) -> None:
    body = b"x" * (LIMIT + 200_000)
    if announced:
        response = post(gateway, body)
    else:

        def chunks() -> Iterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            yield body
            yield b"\r\n--b--\r\n"

        response = gateway.post(
            "/predict", content=chunks(), headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
    assert "1 MB" in problem_of(response, 413, "upload_too_large").detail


def test_a_little_over_the_limit_is_over_it(gateway: httpx.Client) -> None:
    problem_of(post(gateway, b"x" * (LIMIT + 1)), 413, "upload_too_large")


@pytest.mark.parametrize(
    "arguments",
    [
        {"content": b"no form"},
        {"data": {"file": "text"}},
        {"files": {"video": ("clip.mp4", b"x")}},
        {"files": [("file", ("a.mp4", b"x")), ("file", ("b.mp4", b"x"))]},
        {"files": {"file": ("a.mp4", b"x")}, "data": {f"field{i}": "x" for i in range(1000)}},
        {"content": b"--b\r\nrubbish", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
        {"content": b"", "headers": {"Content-Type": "multipart/form-data"}},
    ],
)
def test_a_body_that_is_not_one_file(gateway: httpx.Client, arguments: dict[str, object]) -> None:
    problem_of(gateway.post("/predict", **arguments), 400, "bad_upload")  # type: ignore[arg-type]


def test_media_types_are_written_in_any_case(gateway: httpx.Client) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--\r\n'
    response = gateway.post("/predict", content=body, headers={"Content-Type": "Multipart/Form-Data; boundary=b"})
    problem_of(response, 503, "no_detector_available")


def test_a_path_that_does_not_exist_and_a_method_that_does_not_fit(gateway: httpx.Client) -> None:
    problem_of(gateway.get("/nowhere"), 404, "not_found")
    problem_of(gateway.put("/predict"), 405, "method_not_allowed")
    problem_of(gateway.get("/models/toy-fase"), 404, "unknown_model")


@pytest.mark.parametrize(("given", "kept"), [("order-66", True), ("a b", False), ("x" * 65, False), ("<b>", False)])
def test_a_sane_request_id_is_kept_and_another_replaced(gateway: httpx.Client, given: str, kept: bool) -> None:
    answered = gateway.get("/models", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert (answered == given) is kept
    assert answered


def test_health_says_what_is_down(gateway: httpx.Client) -> None:
    response = gateway.get("/health")
    assert response.status_code == 503
    health = response.json()
    assert health["status"] == "unavailable"
    assert health["services"] == {"preprocess": False, "triton": False}
    assert {d["name"]: d["ready"] for d in health["detectors"]} == {
        "toy-face": False,
        "toy-synthesis": False,
        "toy-voice": False,
    }


def test_models_tell_their_cards_while_the_servers_are_down(gateway: httpx.Client) -> None:
    models = {model["name"]: model for model in gateway.get("/models").json()}
    face = models["toy-face"]
    assert face["live"] == 1
    assert not face["ready"]
    assert face["cards"]["1"]["artifact"]["sha256"]
    assert gateway.get("/models/toy-face").json() == face


def test_metrics_count_by_route_and_never_by_path(gateway: httpx.Client) -> None:
    gateway.get("/nowhere/at/all")
    text = gateway.get("/metrics").text
    assert 'telltale_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert "nowhere" not in text
    assert 'telltale_detector_ready{detector="toy-face",version="1"} 0.0' in text


def test_the_interface_describes_itself(gateway: httpx.Client) -> None:
    paths = gateway.get("/openapi.json").json()["paths"]
    assert {"/predict", "/health", "/models", "/models/{name}", "/metrics"} <= set(paths)
    body = paths["/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert body["required"] == ["file"]


def test_a_url_is_not_fetched_unless_that_was_enabled(gateway: httpx.Client) -> None:
    for form in ({"data": {"url": "http://example.com/clip.mp4"}}, {"files": {"url": (None, "http://example.com/")}}):
        problem_of(gateway.post("/predict", **form), 400, "url_refused")  # type: ignore[arg-type]
