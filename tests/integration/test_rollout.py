"""Versions come, are checked, take over, are taken back and refused, on the real servers and while others answer."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import numpy as np
import psutil
import pytest
import yaml
from telltale_tfserving import PredictRequest, PredictResponse, decode_tensor, encode_tensor

from tests import clips
from tests.integration.operator import Operator
from tests.integration.stack import RunningStack, Traffic, running_stack

BOTH = pytest.mark.parametrize("name", ["toy-face", "toy-synthesis"])
GATEWAY = ("telltale_gateway", "--port")
SETTINGS = {
    "TELLTALE_CANARY__MIN_REQUESTS": "15",
    "TELLTALE_CANARY__MIN_PAIRS": "15",
    # The slow one takes fifty times as long as the others, which the machine may make thrice as slow as one another.
    "TELLTALE_CANARY__LATENCY_FACTOR": "10",
    "TELLTALE_RECONCILE__SETTLE_S": "2",
}


@pytest.fixture(scope="module")
def operator(toy_repository: Path, toy_versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator with a stack of this module's own."""
    repository = shutil.copytree(toy_repository, tmp_path_factory.mktemp("rollout") / "model-repository")
    staging = tmp_path_factory.mktemp("staging")
    settings = {**SETTINGS, "TELLTALE_STAGING_ROOT": str(staging)}
    with running_stack(repository, tmp_path_factory.mktemp("rollout-tmp"), settings) as stack:
        yield Operator(stack, toy_versions, staging)


@pytest.fixture(autouse=True)
def nothing_beside(operator: Operator) -> Iterator[None]:
    yield
    for name in ("toy-face", "toy-synthesis"):
        operator.leave_only_live(name)


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of one face, no two alike: the canary's scores are compared on different inputs."""
    folder, picture = tmp_path_factory.mktemp("stills"), clips.portrait()
    return [
        clips.write_picture(folder / f"{number}.png", (picture * (0.6 + 0.01 * number)).clip(0, 255).astype(np.uint8))
        for number in range(40)
    ]


@contextmanager
def second_gateway(operator: Operator) -> Iterator[httpx.Client]:
    """Another gateway over the same repository and servers."""
    (first,) = operator.stack.descendants(*GATEWAY)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "telltale_gateway", "--port", str(port)]
    process = subprocess.Popen(command, env=first.environ())
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

            def ready() -> bool:
                try:
                    return client.get("/health").status_code == 200
                except httpx.TransportError:
                    return False

            operator.stack.wait_until(ready, 60, "the second gateway was not ready")
            yield client
    finally:
        process.terminate()
        process.wait(timeout=30)


@BOTH
def test_a_folder_that_is_dropped_in_becomes_a_candidate_and_touches_no_answer(
    operator: Operator, media: dict[str, Path], name: str
) -> None:
    before = operator.answer(media["still"], name)["version"]
    number = operator.drop_in(name, "good")
    operator.wait_for(name, number, "candidate")
    assert operator.answer(media["still"], name)["version"] == before
    (event,) = [e for e in operator.history(name) if e["version"] == number]
    assert (event["action"], event["who"]) == ("stage", "telltale_gateway")


def test_a_folder_that_is_copied_slowly_is_arriving_until_its_last_byte(operator: Operator) -> None:
    home = operator.stack.repository / "toy-face"
    number = operator.packaged("toy-face", "good", operator.staging / "slow")
    whole, half = operator.staging / "slow", home / str(number)
    half.mkdir()
    shutil.copy(whole / "card.yaml", half)
    operator.wait_for("toy-face", number, "arriving")
    model = (whole / "model.onnx").read_bytes()
    (half / "golden.safetensors").write_bytes((whole / "golden.safetensors").read_bytes())
    for end in range(0, len(model), max(1, len(model) // 8)):
        (half / "model.onnx").write_bytes(model[:end])
        assert operator.version("toy-face", number)["stage"] == "arriving"
    assert operator.stack.client.get("/health").status_code == 200
    (half / "model.onnx").write_bytes(model)
    operator.wait_for("toy-face", number, "candidate")
    assert [e["action"] for e in operator.history("toy-face") if e["version"] == number] == ["stage"]


def test_where_the_policy_is_auto_a_version_that_passed_goes_live_by_itself(
    operator: Operator, media: dict[str, Path]
) -> None:
    manifest = operator.stack.repository / "toy-synthesis/detector.yaml"
    text = manifest.read_text()
    manifest.write_text(text + "policy: auto\n")
    try:
        operator.stack.wait_until(
            lambda: operator.model("toy-synthesis")["manifest"]["policy"] == "auto", 20, "the policy was not read"
        )
        before = operator.model("toy-synthesis")["live"]
        number = operator.drop_in("toy-synthesis", "good")
        operator.wait_for("toy-synthesis", number, "live")
        assert operator.model("toy-synthesis")["rollout"]["previous"] == before
        assert operator.answer(media["still"], "toy-synthesis")["version"] == number
    finally:
        manifest.write_text(text)


@BOTH
def test_stage_shadow_canary_promote_rollback_by_command(operator: Operator, media: dict[str, Path], name: str) -> None:
    before = operator.model(name)["live"]
    number = operator.packaged(name, "good", operator.staging / f"{name}-next")
    for words, stage in (
        (("stage", name, f"{name}-next", "--why", "a test"), "candidate"),
        (("shadow", name, str(number), "--percent", "50"), "shadow"),
        (("canary", name, str(number), "--percent", "25"), "canary"),
        (("promote", name, str(number)), "live"),
        (("rollback", name), None),
    ):
        done = operator.command(*words, "--wait")
        assert done.returncode == 0, done.stderr
        assert str(number) in done.stdout
        if stage is not None:
            assert operator.version(name, number)["stage"] == stage, done.stdout
    assert operator.answer(media["still"], name)["version"] == before
    operator.wait_for(name, number, "unloaded")
    by_command = [e for e in operator.history(name) if e["who"] != "telltale_gateway"][-5:]
    assert [e["action"] for e in by_command] == ["stage", "shadow", "canary", "promote", "rollback"]
    assert all("from 127.0.0.1" in e["who"] and e["why"] for e in by_command)
    assert "promote" in operator.command("history", name).stdout
    assert f"version {before} answers" in operator.command("status", name).stdout


def test_a_canary_gets_its_share_of_the_requests_to_one_and_each_answer_names_who_gave_it(
    operator: Operator, media: dict[str, Path]
) -> None:
    number = operator.drop_in("toy-face", "good")
    operator.ordered("toy-face", "canary", version=number, percent=25, wait=True)
    digests = {v["version"]: v["sha256"] for v in operator.model("toy-face")["versions"]}
    answers = [operator.answer(media["still"], "toy-face") for _ in range(20)]
    assert Counter(a["version"] == number for a in answers)[True] == 5
    assert all(a["artifact_sha256"] == digests[a["version"]] for a in answers)
    operator.ordered("toy-face", "drain", version=number, wait=True)
    assert operator.answer(media["still"], "toy-face")["version"] != number


@pytest.mark.parametrize(
    ("kind", "reason"), [("erring", "error rate"), ("slow", "latency"), ("drifting", "score drift")]
)
def test_a_canary_that_errs_or_is_slow_or_scores_otherwise_is_taken_out_and_no_request_is_lost(
    operator: Operator, stills: list[Path], kind: str, reason: str
) -> None:
    number = operator.drop_in("toy-face", kind)
    operator.ordered("toy-face", "canary", version=number, percent=50, wait=True)
    traffic = Traffic(operator.stack, *stills)
    with traffic.flowing(clients=2):
        refused = operator.wait_for("toy-face", number, "refused", seconds=60)
    assert reason in refused["reason"]
    assert traffic.broken == []
    assert set(traffic.statuses()) == {200}
    assert not any(answer.json()["degraded"] for answer in traffic.answers)
    assert operator.history("toy-face")[-1]["action"] == "abort"
    assert operator.model("toy-face")["rollout"]["canary"] is None
    assert operator.answer(stills[0], "toy-face")["version"] != number
    if kind == "erring":
        metrics = operator.stack.client.get("/metrics").text
        assert f'instead_of="{number}"' in metrics


def test_a_shadow_is_compared_and_touches_no_answer(operator: Operator, media: dict[str, Path]) -> None:
    live = operator.model("toy-face")["live"]
    alone = operator.answer(media["still"], "toy-face")
    number = operator.drop_in("toy-face", "erring")
    drifting = operator.drop_in("toy-face", "drifting")
    for shadow in (number, drifting):
        operator.ordered("toy-face", "shadow", version=shadow, percent=100, wait=True)
        for _ in range(5):
            answer = operator.answer(media["still"], "toy-face")
            assert (answer["version"], answer["raw_score"], answer["instead_of"]) == (live, alone["raw_score"], None)

    def compared() -> bool:
        diff = operator.stack.client.get("/models/toy-face/diff", params={"left": live, "right": drifting}).json()
        # One picture, however often it was posted.
        return diff["traffic"] is not None and diff["traffic"]["n"] == 1

    operator.stack.wait_until(compared, 20, "nothing was compared")
    printed = operator.command("diff", "toy-face", str(live), str(drifting)).stdout
    assert "on golden inputs" in printed
    for version in (number, drifting):
        operator.ordered("toy-face", "drain", version=version, wait=True)


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("toy-face", "wrong-input", "image"),
        ("toy-face", "outside", "outside [0, 1]"),
        ("toy-face", "nan", "NaN"),
        ("toy-face", "off", "golden score"),
        ("toy-face", "operator", "Divine"),
        ("toy-synthesis", "wrong-input", "no input named image"),
        ("toy-synthesis", "outside", "outside [0, 1]"),
        ("toy-synthesis", "nan", "NaN"),
        ("toy-synthesis", "off", "golden score"),
        ("toy-synthesis", "signature", "no signature named serving_default"),
    ],
)
def test_a_bad_version_is_refused_with_the_reason_and_the_live_one_goes_on(
    operator: Operator, media: dict[str, Path], name: str, kind: str, says: str
) -> None:
    before = operator.answer(media["still"], name)
    number = operator.drop_in(name, kind)
    refused = operator.wait_for(name, number, "refused")
    assert says in refused["reason"]
    after = operator.answer(media["still"], name)
    assert (after["version"], after["raw_score"], after["reason"]) == (before["version"], before["raw_score"], None)
    assert operator.model(name)["rollout"]["live"] == before["version"]
    # It is written down in the round after the one that found it.
    operator.stack.wait_until(lambda: operator.events(name, number) == ["stage", "refuse"], 10, "it was not recorded")


@BOTH
def test_bytes_that_are_not_those_of_the_card_are_refused_once_they_have_come_to_rest(
    operator: Operator, name: str
) -> None:
    number = operator.packaged(name, "good", operator.staging / f"{name}-changed")
    with next((operator.staging / f"{name}-changed").glob("*model*")).open("ab") as model:
        model.write(b"\0")
    shutil.copytree(operator.staging / f"{name}-changed", operator.stack.repository / name / str(number))
    assert "sha256" in operator.wait_for(name, number, "refused")["reason"]
    response = operator.order(name, "stage", path=f"{name}-changed")
    assert response.status_code == 409


def test_a_number_that_stood_for_other_bytes_is_refused(operator: Operator) -> None:
    number = operator.drop_in("toy-face", "good")
    operator.wait_for("toy-face", number, "candidate")
    shutil.rmtree(operator.stack.repository / "toy-face" / str(number))
    operator.wait_for("toy-face", number, "absent", "draining", "unloaded")
    operator.drop_in("toy-face", "drifting", number)
    assert "already existed with other bytes" in operator.wait_for("toy-face", number, "refused")["reason"]
    response = operator.order("toy-face", "promote", version=number)
    assert response.status_code == 409
    assert "already existed with other bytes" in response.json()["detail"]


@BOTH
def test_a_live_version_that_is_changed_on_disk_answers_as_it_was_loaded_whatever_comes(
    operator: Operator, media: dict[str, Path], toy_versions: Path, name: str
) -> None:
    # A load that is on its way reads what lies there, so none must be: what other tests drained is gone before this is.
    operator.wait_for(name, last := operator.drop_in(name, "good"), "candidate")
    operator.ordered(name, "drain", version=last, wait=True)
    before, model = operator.answer(media["still"], name), operator.model(name)
    graph = "model.onnx" if model["manifest"]["server"] == "triton" else "saved_model.pb"
    place = operator.stack.repository / name / str(model["live"]) / graph
    whole = place.read_bytes()
    other = "drifting" if graph == "model.onnx" else "nan"
    place.write_bytes((toy_versions / name / other / graph).read_bytes())
    try:
        number = operator.drop_in(name, "good")
        if graph == "saved_model.pb":
            operator.wait_for(name, number, "candidate")
        else:
            operator.stack.wait_until(
                lambda: "Put these files back" in str(operator.version(name, number).get("reason")),
                20,
                "the version that came did not say for what it waits",
            )
        after = operator.answer(media["still"], name)
        assert (after["version"], after["score"]) == (before["version"], pytest.approx(before["score"], abs=1e-6))
        assert "these files are put back" in operator.version(name, model["live"])["reason"] or graph != "model.onnx"
    finally:
        place.write_bytes(whole)
    operator.wait_for(name, number, "candidate")
    assert operator.answer(media["still"], name)["score"] == pytest.approx(before["score"], abs=1e-6)


def test_promoting_a_bad_version_fails_when_waited_for(operator: Operator) -> None:
    number = operator.packaged("toy-face", "nan", operator.staging / "nan")
    done = operator.command("stage", "toy-face", "nan", "--wait")
    assert done.returncode == 1
    assert "NaN" in done.stderr
    assert operator.version("toy-face", number)["stage"] == "refused"
    operator.packaged("toy-face", "nan", operator.staging / "nan-again")
    response = operator.order("toy-face", "stage", path="nan-again", wait=True)
    assert (response.status_code, response.json()["code"]) == (422, "order_failed")


def test_orders_that_make_no_sense_change_nothing(operator: Operator) -> None:
    before = operator.model("toy-face")["rollout"]
    live = before["live"]
    for order, status, code in (
        ({"action": "promote", "version": 999}, 409, "order_refused"),
        ({"action": "promote", "version": live}, 409, "order_refused"),
        ({"action": "promote"}, 400, "bad_order"),
        ({"action": "canary", "version": 999, "percent": 10}, 409, "order_refused"),
        ({"action": "canary", "version": live, "percent": 10}, 409, "order_refused"),
        ({"action": "drain", "version": live}, 409, "order_refused"),
        ({"action": "stage", "path": "../toy-face"}, 400, "bad_order"),
        ({"action": "stage", "path": str(operator.stack.repository)}, 400, "bad_order"),
        ({"action": "explode"}, 400, "bad_parameter"),
    ):
        response = operator.order("toy-face", **order)  # type: ignore[arg-type]
        assert (response.status_code, response.json()["code"]) == (status, code), response.text
        assert str(operator.stack.repository.parent) not in response.json()["hint"]
        assert response.headers["content-type"] == "application/problem+json"
    assert operator.model("toy-face")["rollout"] == before


def test_through_a_proxy_nobody_may_operate(operator: Operator) -> None:
    body = {"action": "rollback"}
    client = operator.stack.client
    forwarded = client.post("/models/toy-face/rollout", json=body, headers={"X-Forwarded-For": "127.0.0.1"})
    renamed = client.post("/models/toy-face/rollout", json=body, headers={"Host": "telltale.example"})
    assert (forwarded.status_code, renamed.status_code) == (403, 403)
    assert forwarded.json()["code"] == "not_allowed"


def test_other_clients_find_the_live_version_by_its_label(operator: Operator) -> None:
    name = "toy-synthesis"
    (gateway,) = operator.stack.descendants(*GATEWAY)
    number = operator.drop_in(name, "good")
    operator.ordered(name, "canary", version=number, percent=10, wait=True)
    live = operator.model(name)["live"]
    picture = np.zeros((1, 64, 64, 3), np.uint8)
    with grpc.insecure_channel(gateway.environ()["TELLTALE_TFSERVING_TARGET"]) as channel:
        predict = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=PredictRequest.SerializeToString,
            response_deserializer=PredictResponse.FromString,
        )

        def answering(label: str) -> int | None:
            request = PredictRequest()
            request.model_spec.name, request.model_spec.version_label = name, label
            request.inputs["image"].CopyFrom(encode_tensor(picture))
            try:
                response = predict(request, timeout=10)
            except grpc.RpcError:
                return None
            assert decode_tensor(response.outputs["probability"]).shape == (1, 1)
            return int(response.model_spec.version.value)

        operator.stack.wait_until(
            lambda: (answering("stable"), answering("canary")) == (live, number), 20, "the labels were not there"
        )
        operator.ordered(name, "promote", version=number, wait=True)
        operator.stack.wait_until(lambda: answering("stable") == number, 20, "the label did not follow")


def test_a_new_detector_is_taken_in_and_retired_with_its_folder(operator: Operator, media: dict[str, Path]) -> None:
    repository = operator.stack.repository
    coming = repository / ".coming-detector"
    shutil.copytree(
        repository / "toy-synthesis", coming, ignore=shutil.ignore_patterns("[0-9]*", "*.jsonl", "rollout*")
    )
    manifest = yaml.safe_load((coming / "detector.yaml").read_text())
    (coming / "detector.yaml").write_text(yaml.safe_dump({**manifest, "name": "toy-second", "policy": "auto"}))
    operator.packaged("toy-synthesis", "good", coming / "1", number=1)
    card = yaml.safe_load((coming / "1/card.yaml").read_text())
    (coming / "1/card.yaml").write_text(yaml.safe_dump({**card, "detector": "toy-second"}))
    coming.rename(repository / "toy-second")
    operator.wait_for("toy-second", 1, "live")
    assert operator.answer(media["still"], "toy-second")["status"] == "scored"
    assert operator.answer(media["still"], "toy-synthesis")["status"] == "scored"
    shutil.rmtree(repository / "toy-second")
    operator.stack.wait_until(
        lambda: operator.stack.client.get("/models/toy-second").status_code == 404, 20, "it was not retired"
    )
    assert operator.answer(media["still"], "toy-synthesis")["status"] == "scored"
    operator.stack.wait_for_health()


@BOTH
def test_two_gateways_follow_one_order_and_lose_no_request(
    operator: Operator, media: dict[str, Path], name: str
) -> None:
    number = operator.drop_in(name, "good")
    with second_gateway(operator) as other:
        elsewhere = Traffic(RunningStack(operator.stack.process, other, operator.stack.repository), media["still"])
        here = Traffic(operator.stack, media["still"])
        with here.flowing(), elsewhere.flowing():
            receipt = other.post(f"/models/{name}/rollout", json={"action": "promote", "version": number, "wait": True})
            assert receipt.status_code == 200, receipt.text
            assert len(operator.model(name)["gateways"]) == 2
            assert (other.get(f"/models/{name}").json()["live"], operator.model(name)["live"]) == (number, number)
            operator.ordered(name, "rollback", wait=True)
            assert other.get(f"/models/{name}").json()["live"] == operator.model(name)["live"] != number
    for traffic in (here, elsewhere):
        assert traffic.broken == []
        assert set(traffic.statuses()) == {200}
        assert not any(answer.json()["degraded"] for answer in traffic.answers)


def test_when_the_gateway_that_acts_dies_another_one_does(operator: Operator) -> None:
    with second_gateway(operator) as other:
        (first,) = operator.stack.descendants(*GATEWAY)
        first.kill()
        first.wait(timeout=10)
        number = operator.drop_in("toy-face", "good")

        def candidates() -> list[int]:
            versions = other.get("/models/toy-face").json()["versions"]
            return [v["version"] for v in versions if v["stage"] == "candidate"]

        operator.stack.wait_until(lambda: number in candidates(), 40, "nobody acted")
    operator.stack.wait_until(lambda: _answers(operator), 60, "the first gateway was not back")


def _answers(operator: Operator) -> bool:
    try:
        return operator.stack.client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def test_after_all_have_been_killed_the_desired_state_is_there_again(
    operator: Operator, media: dict[str, Path]
) -> None:
    number = operator.drop_in("toy-face", "good")
    operator.ordered("toy-face", "promote", version=number, wait=True)
    beside = operator.drop_in("toy-face", "good")
    operator.ordered("toy-face", "canary", version=beside, percent=50, wait=True)
    wanted = operator.model("toy-face")["rollout"]
    for words in (("tritonserver", "--model-repository"), ("telltale_local.standin",), GATEWAY):
        for victim in operator.stack.descendants(*words):
            victim.kill()
            psutil.wait_procs([victim], timeout=10)
    operator.stack.wait_until(lambda: _answers(operator), 90, "they were not back")
    operator.wait_for("toy-face", beside, "canary")
    assert operator.model("toy-face")["rollout"] == wanted
    versions = {operator.answer(media["still"], "toy-face")["version"] for _ in range(4)}
    assert versions == {number, beside}
