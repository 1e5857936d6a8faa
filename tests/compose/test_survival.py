"""compose.yaml on a real engine: what it survives. The tests run in the order in which they stand."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from pathlib import Path

import httpx
import pytest
import yaml

from tests.compose.stack import PROJECT, SERVICES, ComposeStack, Traffic, wait_until

pytestmark = pytest.mark.timeout(1800)


def test_a_version_that_is_dropped_in_takes_over_without_a_lost_request(stack: ComposeStack, clip: Path) -> None:
    detector = stack.house / "model-repository/face-blend"
    owner = detector.stat()
    shutil.copytree(detector / "1", detector / ".2")
    card = yaml.safe_load((detector / ".2/card.yaml").read_text())
    (detector / ".2/card.yaml").write_text(yaml.safe_dump({**card, "version": 2}))
    (detector / "rollout.yaml.new").write_text("live: 2\n")
    for path in [detector / ".2", *(detector / ".2").rglob("*"), detector / "rollout.yaml.new"]:
        os.chown(path, owner.st_uid, owner.st_gid)

    def version(answer: httpx.Response) -> int:
        detectors = answer.json().get("detectors", [])
        return next((int(each["version"]) for each in detectors if each["name"] == "face-blend"), 0)

    traffic = Traffic(stack, clip)
    with traffic.flowing():
        traffic.wait_for(4)
        (detector / ".2").rename(detector / "2")
        (detector / "rollout.yaml.new").rename(detector / "rollout.yaml")
        wait_until(
            lambda: [version(answer) for answer in traffic.answers[-6:]] == [2] * 6, 90, lambda: f"{traffic.statuses()}"
        )
    assert traffic.lost() == []
    assert traffic.degraded() == 0
    print(f"\nhot swap: {len(traffic.answers)} answers, {Counter(map(version, traffic.answers))}, 0 lost")


def test_gateways_are_replaced_under_load_without_a_lost_request(stack: ComposeStack, clip: Path) -> None:
    before = {container["Id"] for container in stack.containers("gateway")}
    traffic = Traffic(stack, clip)
    with traffic.flowing(clients=4):
        traffic.wait_for(8)
        said = stack.deploy("roll", "gateway", "--", *stack.files)
        traffic.wait_for(8)
    after = {container["Id"] for container in stack.containers("gateway")}
    assert len(after) == len(before) == 2
    assert not after & before
    print(f"\n{said}rolling restart: {len(traffic.answers)} answers, {traffic.statuses()}")
    assert traffic.lost() == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_that_is_killed_comes_back(stack: ComposeStack, clip: Path, service: str) -> None:
    stack.wait_until_healthy()
    victim = stack.containers(service)[0]
    process = victim["State"]["Pid"]
    if not Path(f"/proc/{process}").exists():
        pytest.skip("the engine's processes are on another machine")
    # Both model servers look at a still, so that one that is away leaves the other to answer.
    traffic = Traffic(stack, clip.with_name("portrait.png") if service in {"triton", "tfserving"} else clip)
    with traffic.flowing():
        traffic.wait_for(4)
        # Not `docker kill`, which tells the engine that it is meant to stay away.
        os.kill(process, signal.SIGKILL)

        def restarted() -> bool:
            (now,) = json.loads(stack.engine.docker("inspect", victim["Id"]))
            return bool(now["State"]["Running"] and now["State"]["Pid"] != process)

        away = wait_until(restarted, 60, lambda: f"{service} was not started again")
        healthy = away + stack.wait_until_healthy()
        traffic.wait_for(4)
    for answer in traffic.answers:
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json", answer.text
            assert answer.json()["hint"]
    assert set(traffic.statuses()) <= {200, 503}, traffic.lost()
    assert not traffic.broken or service == "nginx"
    print(
        f"\n| {service} | healthy again after {healthy:.1f} s | {len(traffic.answers)} answers "
        f"| {traffic.statuses()[503]} refused (503) | {len(traffic.broken)} broken connections "
        f"| {traffic.degraded()} degraded |"
    )


@pytest.mark.parametrize("service", ["triton", "tfserving"])
def test_a_server_that_comes_back_at_another_address_is_found(stack: ComposeStack, clip: Path, service: str) -> None:
    stack.wait_until_healthy()
    (before,) = stack.containers(service)
    traffic = Traffic(stack, clip.with_name("portrait.png"))
    with traffic.flowing():
        traffic.wait_until_whole()
        stack.engine.docker("stop", "--time", "5", before["Id"])
        with stack.another_at_the_address_of(before):
            stack.engine.docker("start", before["Id"])
            assert not stack.addresses(before["Id"]) & {
                network["IPAddress"] for network in before["NetworkSettings"]["Networks"].values()
            }
            healthy = stack.wait_until_healthy()
            traffic.wait_until_whole()
    assert traffic.lost() == []
    print(
        f"\n| {service}, at another address | healthy again after {healthy:.1f} s | {len(traffic.answers)} answers "
        f"| {traffic.degraded()} degraded |"
    )


def test_nothing_of_an_upload_is_left(stack: ComposeStack) -> None:
    for service in ("gateway", "preprocess-service", "nginx", "preprocess-balancer"):
        for container in stack.containers(service):
            name = container["Name"].lstrip("/")
            listing = stack.engine.docker("exec", name, "find", "/tmp", "-type", "f", "-size", "+64k")
            assert listing.strip() == "", f"{PROJECT}, {service}: {listing}"
