"""compose.yaml on a real engine: what it answers over TLS, what it refuses, and what it keeps apart."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compose.stack import BUILT, HTTP, HTTPS, OPERATORS, SERVICES, ComposeStack, wait_until

pytestmark = pytest.mark.timeout(1800)

MEGABYTE = 1_000_000
LIMIT = 100 * MEGABYTE
BASE = "python:3.11.14-slim-bookworm"
OFFICIAL_BASE_MB = 131
FEW = {"max_frames": "4"}


def post(client: httpx.Client, media: Path | bytes, **query: str) -> httpx.Response:
    """POST a file to /predict."""
    content = media if isinstance(media, bytes) else media.read_bytes()
    return client.post("/predict", files={"file": ("clip.mp4", content)}, params=query)


def padded(clip: Path, size: int) -> bytes:
    """The clip with a box of nothing behind it (ISO 14496-12, `free`), so that the file has that size."""
    content = clip.read_bytes()
    free = size - len(content)
    return content + free.to_bytes(4, "big") + b"free" + bytes(free - 8)


def test_images_are_small_and_harmless(prepared: ComposeStack) -> None:
    (base,) = json.loads(prepared.engine.docker("image", "inspect", BASE))
    sizes = {}
    for name in BUILT:
        (image,) = json.loads(prepared.engine.docker("image", "inspect", f"telltale/{name}:0.1.0"))
        sizes[name] = image["Size"] / MEGABYTE
        assert image["Config"]["User"] == "10001:10001"
        assert image["Config"]["Labels"]["org.opencontainers.image.title"] == f"telltale-{name}"
        run = ("run", "--rm", "--network", "none", "--entrypoint", "sh", f"telltale/{name}:0.1.0", "-c")
        left = "for tool in pip gcc cc make curl wget; do command -v $tool; done; python -c 'import pip' 2>&1; true"
        assert prepared.engine.docker(*run, left).strip().endswith("No module named 'pip'")
        assert prepared.engine.docker(*run, left).count("\n/") == 0
    print("\nimage sizes:", ", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items()), end="")
    print(f", of which {base['Size'] / MEGABYTE:.0f} MB are the base")
    # The lab's base is twice the official one; what counts is what comes on top of that.
    surplus = max(0.0, base["Size"] / MEGABYTE - OFFICIAL_BASE_MB) if prepared.engine.lab else 0.0
    assert sizes["gateway"] - surplus < 400


def test_the_files_are_accepted_where_they_are_used(stack: ComposeStack) -> None:
    for service in ("nginx", "preprocess-balancer"):
        stack.compose("exec", "-T", service, "nginx", "-t")
    folder = f"{stack.house}/monitoring"
    image = stack.containers("prometheus")[0]["Config"]["Image"]
    run = ("run", "--rm", "--volume", f"{folder}:/monitoring:ro", "--entrypoint", "promtool", image)
    stack.engine.docker(*run, "check", "rules", "/monitoring/rules/recording.yml", "/monitoring/rules/alerts.yml")
    print("\n" + stack.engine.docker(*run, "test", "rules", "/monitoring/tests/rules.test.yml").strip())
    stack.compose("exec", "-T", "prometheus", "promtool", "check", "config", "/etc/prometheus/prometheus.yml")


def test_a_real_clip_is_judged_over_tls(client: httpx.Client, clip: Path) -> None:
    answer = post(client, clip)
    assert answer.status_code == 200, answer.text
    verdict = answer.json()
    assert verdict["label"] == "real"
    assert not verdict["degraded"]
    scored = {each["server"] for each in verdict["detectors"] if each["status"] == "scored"}
    assert "triton" in scored
    portrait = client.post("/predict", files={"file": ("p.png", clip.with_name("portrait.png").read_bytes())}).json()
    assert {each["server"] for each in portrait["detectors"] if each["status"] == "scored"} == {"triton", "tfserving"}


def test_http_leads_to_https_and_https_speaks_http2(stack: ComposeStack) -> None:
    moved = httpx.get(f"http://localhost:{HTTP}/health")
    assert moved.status_code == 308
    assert moved.headers["location"] == f"https://localhost:{HTTPS}/health"
    context = ssl.create_default_context(cafile=str(stack.house / "nginx/certs/fullchain.pem"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("localhost", HTTPS)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        assert tls.selected_alpn_protocol() == "h2"
        assert tls.version() == "TLSv1.3"


def test_answers_carry_security_headers_and_the_callers_id(client: httpx.Client) -> None:
    for path in ("/health", "/nowhere", "/metrics"):
        answer = client.get(path, headers={"X-Request-ID": "proof-1"})
        assert answer.headers["x-request-id"] == "proof-1"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["server"] == "nginx"


def test_logs_are_json_with_the_request_id(stack: ComposeStack, client: httpx.Client) -> None:
    client.get("/health", headers={"X-Request-ID": "proof-2"})

    def logged() -> list[dict[str, Any]]:
        lines = stack.engine.docker("logs", "--tail", "50", stack.containers("nginx")[0]["Id"]).splitlines()
        return [entry for line in lines if '"proof-2"' in line and (entry := json.loads(line))]

    wait_until(lambda: bool(logged()), 10, lambda: "nothing was logged")
    (entry,) = logged()
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/health", 200)


def test_what_only_operators_may_ask_is_at_their_door_only(stack: ComposeStack, client: httpx.Client) -> None:
    for method, path in (("GET", "/metrics"), ("POST", "/models/face-blend/rollout"), ("GET", "/grafana/")):
        refused = client.request(method, path)
        assert refused.status_code == 404
        assert refused.json()["code"] == "not_found"
    assert client.get("/models").status_code == 200
    with stack.client(OPERATORS, stack.key("telltale_operator_key")) as operator:
        assert "telltale_requests_total" in operator.get("/metrics").text
        # Grafana is not part of this stack: the door is there, nobody is behind it.
        assert operator.get("/grafana/").status_code == 503
    ports = stack.containers("nginx")[0]["NetworkSettings"]["Ports"]
    assert {binding["HostIp"] for binding in ports["8444/tcp"]} == {"127.0.0.1"}


def test_nobody_but_nginx_publishes_anything_and_nobody_can_do_more_than_it_needs(stack: ComposeStack) -> None:
    for service in SERVICES:
        for container in stack.containers(service):
            bound = [bindings for bindings in container["NetworkSettings"]["Ports"].values() if bindings]
            assert bool(bound) is (service == "nginx"), service
            host = container["HostConfig"]
            assert host["ReadonlyRootfs"], service
            assert host["CapDrop"] == ["ALL"], service
            assert host["SecurityOpt"] == ["no-new-privileges:true"], service
            assert host["Memory"] > 0, service
            assert host["PidsLimit"] > 0, service
            name = container["Name"].lstrip("/")
            status = stack.engine.docker("exec", name, "cat", "/proc/1/status")
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            assert int(fields["CapEff"], 16) == 0, service
            assert fields["NoNewPrivs"] == "1", service
            assert "0" not in fields["Uid"].split(), service


def test_preprocessing_has_no_route_out_and_reaches_no_model_server(stack: ComposeStack) -> None:
    code = (
        "import socket\n"
        "for where in (('192.0.2.1', 443), ('1.1.1.1', 53), ('triton', 8000), ('gateway', 8000)):\n"
        "    try: socket.create_connection(where, 3); print('reached', where)\n"
        "    except OSError: pass\n"
        "open('/tmp/x', 'w').close()\n"
        "try: open('/opt/assets/x', 'w'); print('wrote')\n"
        "except OSError: print('kept')\n"
    )
    said = stack.compose("exec", "-T", "preprocess-service", "python", "-c", code)
    assert said.split() == ["kept"]


def test_models_are_loaded_by_who_has_the_key_alone(stack: ComposeStack) -> None:
    code = (
        "import http.client as h\n"
        "for headers in ({}, {'telltale-control': open('/run/secrets/telltale_triton_control_key').read()}):\n"
        "    c = h.HTTPConnection('triton', 8000); c.request('POST', '/v2/repository/index', headers=headers)\n"
        "    print(c.getresponse().status)\n"
    )
    assert stack.compose("exec", "-T", "gateway", "python", "-c", code).split() == ["403", "200"]


def test_secrets_are_in_no_environment_and_no_command(stack: ComposeStack) -> None:
    values = {path.name: path.read_text() for path in (stack.house / "secrets").rglob("*") if path.is_file()}
    values.pop("keys.json.lock", None)
    assert len(values) == 6
    told = stack.compose("config") + json.dumps([stack.containers(service) for service in SERVICES])
    told += stack.compose("exec", "-T", "gateway", "cat", "/proc/1/environ")
    assert [name for name, value in values.items() if value in told] == []


def test_a_hundred_megabytes_are_accepted(client: httpx.Client, clip: Path) -> None:
    answer = post(client, padded(clip, LIMIT), **FEW)
    assert answer.status_code == 200, answer.text
    assert answer.json()["label"] == "real"


def test_more_is_refused_as_too_large(client: httpx.Client, clip: Path) -> None:
    refused = post(client, padded(clip, LIMIT + 200_000))
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "upload_too_large"

    def unannounced() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="clip.mp4"\r\n\r\n'
        for _ in range(110):
            yield bytes(MEGABYTE)

    try:
        answer = client.post(
            "/predict", content=unannounced(), headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
    except httpx.WriteError:
        # Refused while it was still being sent, and the connection closed on what came after.
        return
    assert answer.status_code == 413


def test_who_asks_too_often_is_told_to_wait(stack: ComposeStack) -> None:
    def ask_until_refused(_: int) -> httpx.Response:
        with stack.client() as client:
            answers = (client.get("/ping") for _ in range(2000))
            return next(answer for answer in answers if answer.status_code != 200)

    # However fast this machine is, eight at once are faster than ten a second.
    with ThreadPoolExecutor(8) as pool:
        for refused in pool.map(ask_until_refused, range(8)):
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["code"] == "too_many_requests"
    # Health is asked at the same door: wait until it is let in again.
    stack.wait_until_healthy()


def test_a_film_is_drawn_and_what_is_kept_is_found_whichever_gateway_has_it(client: httpx.Client, clip: Path) -> None:
    film = client.post("/analyze/visualize", files={"file": ("clip.mp4", clip.read_bytes())}, params=FEW)
    assert film.status_code == 200, film.text
    assert film.headers["content-type"] == "video/mp4"
    assert film.content[4:8] == b"ftyp"
    told = client.post("/analyze/comprehensive", files={"file": ("clip.mp4", clip.read_bytes())}, params=FEW).json()
    name = told["data"]["visualization_filename"]
    found = [client.get(f"/visualization/{name}") for _ in range(6)]
    assert [each.status_code for each in found] == [200] * 6
    assert {each.content for each in found} == {found[0].content}
    lost = client.get(f"/visualization/{'0' * 43}.mp4")
    assert (lost.status_code, lost.json()["code"]) == (404, "unknown_file")


def test_prometheus_scrapes_every_part(stack: ComposeStack) -> None:
    wanted = {"gateway": 2, "preprocess-service": 2, "triton": 1, "nginx": 1, "prometheus": 1}

    def up() -> dict[str, int]:
        query = ("promtool", "query", "instant", "-o", "json", "http://127.0.0.1:9090", "sum by (job) (up)")
        text = stack.compose("exec", "-T", "prometheus", *query)
        return {sample["metric"]["job"]: int(sample["value"][1]) for sample in json.loads(text)}

    # The stand-in for TensorFlow Serving has no metrics.
    wait_until(lambda: {job: n for job, n in up().items() if n} == wanted, 60, lambda: str(up()))
