"""Servers die while requests run: what their clients see, and that everything comes back by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.integration.stack import RunningStack, Traffic, running_stack

TRITONSERVER = ("tritonserver", "--model-repository")
STUB = ("triton_python_backend_stub",)
STANDIN = ("telltale_local.standin",)
PREPROCESS = ("-m telltale_preprocess --host",)
WORKER = ("telltale_preprocess.workers.child",)
GATEWAY = ("telltale_gateway", "--port")


@pytest.fixture(scope="module")
def fragile(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack of this module's own."""
    with running_stack(toy_repository, tmp_path_factory.mktemp("fragile")) as running:
        yield running


def kill_during_requests(stack: RunningStack, media: Path, words: tuple[str, ...]) -> Traffic:
    """Kill -9 every process of that description while two clients post; wait until all is well again."""
    stack.wait_for_health()
    traffic = Traffic(stack, media)
    victims = stack.descendants(*words)
    assert victims, f"no process looks like {words}"
    with traffic.flowing():
        stack.wait_until(lambda: len(traffic.answers) >= 4, 60, "no traffic")
        for victim in victims:
            victim.kill()
        psutil.wait_procs(victims, timeout=10)
        before = len(traffic.answers)
        stack.wait_until(lambda: len(traffic.answers) > before + 1 or bool(traffic.broken), 60, "no answers after")
        stack.wait_for_health()
        # That may have been the health of before the kill, which /health keeps until its next look.
        stack.wait_until(lambda: whole(traffic.answers[before:][-4:]), 60, "no four whole answers in a row")
    for answer in traffic.answers:
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json", answer.text
            assert answer.json()["hint"]
    return traffic


def whole(answers: list[httpx.Response]) -> bool:
    """Whether these are four answers to which every detector contributed."""
    return len(answers) == 4 and all(each.status_code == 200 and not each.json()["degraded"] for each in answers)


@pytest.mark.parametrize("words", [TRITONSERVER, STUB], ids=["tritonserver", "stub"])
def test_without_triton_the_other_server_still_answers(
    fragile: RunningStack, media: dict[str, Path], words: tuple[str, ...]
) -> None:
    traffic = kill_during_requests(fragile, media["face"], words)
    assert set(traffic.statuses()) == {200}
    assert any(answer.json()["degraded"] for answer in traffic.answers)
    assert traffic.broken == []
    for answer in traffic.answers:
        detectors = {d["name"]: d for d in answer.json()["detectors"]}
        assert detectors["toy-synthesis"]["status"] == "scored"
        if answer.json()["degraded"]:
            assert detectors["toy-face"]["status"] == "failed"
            assert detectors["toy-face"]["score"] is None
            assert "face_swap" in answer.json()["untested"]


def test_without_tensorflow_serving_the_other_server_still_answers(
    fragile: RunningStack, media: dict[str, Path]
) -> None:
    traffic = kill_during_requests(fragile, media["face"], STANDIN)
    assert set(traffic.statuses()) == {200}
    assert any(answer.json()["degraded"] for answer in traffic.answers)
    for answer in traffic.answers:
        assert {d["name"]: d["status"] for d in answer.json()["detectors"]}["toy-face"] == "scored"


def test_a_preprocess_worker_that_dies_is_replaced(fragile: RunningStack, media: dict[str, Path]) -> None:
    traffic = kill_during_requests(fragile, media["face"], WORKER)
    assert set(traffic.statuses()) <= {200, 503}
    assert traffic.broken == []


def test_preprocessing_that_dies_is_a_503_with_retry_after(fragile: RunningStack, media: dict[str, Path]) -> None:
    traffic = kill_during_requests(fragile, media["face"], PREPROCESS)
    assert set(traffic.statuses()) <= {200, 503}
    assert all("Retry-After" in answer.headers for answer in traffic.answers if answer.status_code == 503)


def test_a_gateway_that_dies_is_started_again(fragile: RunningStack, media: dict[str, Path]) -> None:
    fragile.wait_for_health()
    (gateway,) = fragile.descendants(*GATEWAY)
    gateway.kill()
    gateway.wait(timeout=10)

    def back() -> bool:
        try:
            return fragile.client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    fragile.wait_until(back, 60, "the gateway was not back")
    assert fragile.predict(media["still"]).status_code == 200


def test_with_both_servers_down_the_answer_is_503(fragile: RunningStack, media: dict[str, Path]) -> None:
    fragile.wait_for_health()
    servers = [*fragile.descendants(*TRITONSERVER), *fragile.descendants(*STANDIN)]
    for server in servers:
        server.suspend()
    try:
        fragile.wait_until(lambda: fragile.client.get("/health").status_code == 503, 60, "/health did not notice")
        fragile.wait_until(
            lambda: fragile.client.get("/health").json()["status"] == "unavailable", 60, "/health stayed degraded"
        )
        response = fragile.predict(media["still"])
        assert response.status_code == 503
        assert response.json()["code"] == "no_detector_available"
        assert int(response.headers["Retry-After"]) > 0
    finally:
        for server in servers:
            server.resume()
    fragile.wait_for_health()
    assert fragile.predict(media["still"]).status_code == 200
