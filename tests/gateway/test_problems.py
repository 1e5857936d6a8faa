"""What bad requests get, from a gateway whose other services are all down."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from telltale_contracts import Problem

from tests.gateway.running import RunningGateway, problem_of, running_gateway

LIMIT = 1_000_000


@pytest.fixture(scope="module")
def running(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(toy_repository, folder, {"TELLTALE_LIMITS__UPLOAD_BYTES": str(LIMIT)}) as gateway:
        yield gateway
    assert [path.name for path in folder.iterdir()] == ["gateway.log"], "an upload was left behind"


@pytest.fixture
def gateway(running: RunningGateway) -> httpx.Client:
    return running.client


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
        {"files": {"file": ("a.mp4", b"x")}, "data": {"url": "http://example.com/clip.mp4"}},
        {"data": {"url": ["http://example.com/a", "http://example.com/b"]}},
        {"data": {f"field{i}": "x" for i in range(1000)}},
        {"content": b"url=%E9%FF\xff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
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


@pytest.mark.parametrize("charset", ["undefined", "punycode", "utf-7"])
def test_a_form_in_a_made_up_character_set_is_read_as_utf_8(gateway: httpx.Client, charset: str) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="+2AA-\xff"\r\n\r\nx\r\n--b--\r\n'
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    problem_of(gateway.post("/predict", content=body, headers={"Content-Type": kind}), 503, "no_detector_available")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_path_ends_in_a_slash_and_nobody_is_sent_elsewhere(gateway: httpx.Client, method: str) -> None:
    path = {"GET": "/health/", "POST": "/predict/"}[method]
    response = gateway.request(method, path, headers={"Host": "elsewhere.example", "X-Forwarded-Host": "elsewhere"})
    problem_of(response, 404, "not_found")
    assert "elsewhere" not in response.text + str(response.headers)


@pytest.mark.parametrize("path", ["/", "/health", "/models", "/models/toy-face", "/openapi.json"])
def test_head_is_get_without_the_content(gateway: httpx.Client, path: str) -> None:
    head, get = gateway.head(path), gateway.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert 'method="HEAD",route="/models/{name}"' in gateway.get("/metrics").text or path != "/models/toy-face"
    problem_of(gateway.get("/predict"), 405, "method_not_allowed")
    assert gateway.head("/predict").status_code == 405


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{", "bad_parameter"), (b"[" * 100_000, "bad_request"), (b'{"action": "\xff"}', "bad_request")],
)
def test_an_order_that_is_no_json(gateway: httpx.Client, body: bytes, code: str) -> None:
    response = gateway.post("/models/toy-face/rollout", content=body, headers={"Content-Type": "application/json"})
    assert problem_of(response, 400, code).detail != "1: JSON decode error"


def test_media_in_a_part_without_a_file_name_is_told_so(gateway: httpx.Client) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"x" * 100_000 + b"\r\n--b--\r\n"
    response = gateway.post("/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert "no filename" in problem_of(response, 400, "bad_upload").detail


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        pytest.param(b"GET /\r\n\r\n", "first line is not", id="http-0.9"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "Host is missing", id="no-host"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", "first line is not", id="tls"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nno header\r\n\r\n", "NAME: VALUE", id="no-header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000, "longer than 65536", id="huge-header"),
        pytest.param(
            b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            "twice, with different values",
            id="two-lengths",
        ),
        pytest.param(
            b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "not a number", id="negative-length"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", "longer than", id="huge-header-at-once"
        ),
        pytest.param(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "longer than", id="huge-target"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /ping ",
            "Both Content-Length and Transfer-Encoding",
            id="length-and-chunks",
        ),
        pytest.param(
            b"POST /models/toy-face/rollout HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "hexadecimal",
            id="chunks",
        ),
        pytest.param(
            b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\n--bxxxxx",
            "does not end where its length says",
            id="chunks-of-an-upload",
        ),
    ],
)
def test_what_is_no_http_is_refused_as_everything_else_is(running: RunningGateway, sent: bytes, why: str) -> None:
    before = refused_so_far(running)
    head, body = told(running, sent)
    problem = Problem.model_validate_json(body)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert (problem.status, problem.code) == (400, "bad_request")
    assert why in problem.detail
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert headers[b"x-request-id"] == str(problem.request_id).encode()
    assert (headers[b"x-content-type-options"], headers[b"connection"]) == (b"nosniff", b"close")
    assert refused_so_far(running) == before + 1
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    (line,) = [line for line in lines if line.get("request_id") == problem.request_id]
    assert (line["status"], line["code"], line["client"]) == (400, "bad_request", "127.0.0.1")
    assert not [line for line in lines if "Invalid HTTP" in line["event"]]


def test_a_body_that_breaks_while_it_is_read_is_told_so(running: RunningGateway) -> None:
    form = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    head, body = told(running, form + b"Transfer-Encoding: chunked\r\n\r\n3\r\n--b\r\n", b"oops\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert "hexadecimal" in Problem.model_validate_json(body).detail


def test_a_head_that_cannot_be_answered_with_content_is_answered_without(running: RunningGateway) -> None:
    sent = b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(sent)
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.endswith(b"\r\n\r\n")


def test_what_follows_a_whole_request_and_is_none_is_refused_after_its_answer(running: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n\x00\x01\x02 no request\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert [part.split(b" ", 1)[0] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400"]


def test_the_same_length_twice_is_one_length(running: RunningGateway) -> None:
    sent = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    assert told(running, sent)[0].startswith(b"HTTP/1.1 404 ")


def told(running: RunningGateway, *pieces: bytes) -> tuple[bytes, bytes]:
    """Head and body of what these pieces are answered; what follows may be a smuggler's, and is not read."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.05)
        received = b""
        while b"\r\n\r\n" not in received or not received.endswith(b"}"):
            received += connection.recv(65_536) or pytest.fail(f"hung up after {received!r}")
        assert connection.recv(65_536) == b""
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def refused_so_far(running: RunningGateway) -> int:
    """How many bad requests the metrics count."""
    found = re.search(r'telltale_refusals_total\{code="bad_request"\} (\d+)', running.client.get("/metrics").text)
    return int(found[1]) if found else 0


def test_a_path_that_does_not_exist_and_a_method_that_does_not_fit(gateway: httpx.Client) -> None:
    problem_of(gateway.get("/nowhere"), 404, "not_found")
    problem_of(gateway.put("/predict"), 405, "method_not_allowed")
    problem_of(gateway.get("/models/toy-fase"), 404, "unknown_model")
    problem = problem_of(gateway.get("/models/toy-face/diff?left=1&right=999"), 404, "unknown_version")
    assert (problem.detail, problem.hint) == ("toy-face has no version 999.", "There are: 1.")


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
    (name,) = face["gateways"]
    assert re.fullmatch(r"gateway-[0-9a-f]{8}", name)


def test_metrics_count_by_route_and_never_by_path(gateway: httpx.Client) -> None:
    gateway.get("/nowhere/at/all")
    text = gateway.get("/metrics").text
    assert 'telltale_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert "nowhere" not in text
    assert 'telltale_detector_ready{detector="toy-face",version="1"} 0.0' in text
    assert 'telltale_batches_waiting{server="triton"} 0.0' in text


def test_the_interface_describes_itself(gateway: httpx.Client) -> None:
    paths = gateway.get("/openapi.json").json()["paths"]
    assert {"/predict", "/health", "/models", "/models/{name}", "/metrics"} <= set(paths)
    body = paths["/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert body["required"] == ["file"]
    by_url = paths["/detect/video"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    assert by_url["required"] == ["url"]


def test_a_url_is_not_fetched_unless_that_was_enabled(gateway: httpx.Client) -> None:
    for form in ({"data": {"url": "http://example.com/clip.mp4"}}, {"files": {"url": (None, "http://example.com/")}}):
        for path in ("/predict", "/predict_video", "/detect/image", "/analyze/visualize"):
            problem_of(gateway.post(path, **form), 400, "url_refused")  # type: ignore[arg-type]
