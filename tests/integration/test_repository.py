"""What an operator does to the model repository shows in the answers; what is unsound never answers."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from telltale_contracts import artifact_digest, artifact_files

from tests.integration.stack import RunningStack, Traffic, running_stack

# What a number stood for once it stands for always, so no test takes one twice.
_numbers = itertools.count(2)


@pytest.fixture(scope="module")
def owned(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack over a repository that these tests may change; each puts back what it found."""
    repository = shutil.copytree(toy_repository, tmp_path_factory.mktemp("owned") / "model-repository")
    with running_stack(repository, tmp_path_factory.mktemp("owned-tmp")) as running:
        yield running


@pytest.fixture(autouse=True)
def healthy_again(owned: RunningStack, toy_repository: Path) -> Iterator[None]:
    yield
    for name in ("toy-face", "toy-synthesis"):
        set_live(owned.repository / name, 1)
        shutil.copy(toy_repository / name / "detector.yaml", owned.repository / name / "detector.yaml")
        owned.wait_until(lambda name=name: model_of(owned, name)["live"] == 1, 30, f"{name} 1 was not live again")
        for folder in (owned.repository / name).iterdir():
            if folder.name.isdigit() and folder.name != "1":
                shutil.rmtree(folder)
    owned.wait_for_health()


def set_live(detector: Path, version: int) -> None:
    """Write rollout.yaml by one rename."""
    fresh = detector / "rollout.yaml.new"
    fresh.write_text(f"live: {version}\n")
    fresh.rename(detector / "rollout.yaml")


def add_version(detector: Path, change: Callable[[dict[str, Any], Path], None] = lambda *_: None) -> int:
    """Another version of the same bytes, its card changed, under a number that never stood for anything else."""
    number = next(_numbers)
    staged = detector / f".{number}"
    shutil.copytree(detector / "1", staged)
    card = yaml.safe_load((staged / "card.yaml").read_text())
    card["version"] = number
    change(card, staged)
    (staged / "card.yaml").write_text(yaml.safe_dump(card))
    staged.rename(detector / str(number))
    return number


def answer_of(stack: RunningStack, media: Path, name: str) -> dict[str, Any]:
    response = stack.predict(media, max_frames="2")
    assert response.status_code == 200, response.text
    detectors: dict[str, dict[str, Any]] = {d["name"]: d for d in response.json()["detectors"]}
    return detectors[name]


def answers(stack: RunningStack, media: Path, name: str, *, version: int) -> bool:
    """Whether one version of a detector scores, of a stack whose servers may just be away."""
    response = stack.predict(media, max_frames="2")
    detectors = response.json().get("detectors", [])
    return any((d["name"], d["version"], d["status"]) == (name, version, "scored") for d in detectors)


def model_of(stack: RunningStack, name: str) -> dict[str, Any]:
    model: dict[str, Any] = stack.client.get(f"/models/{name}").json()
    return model


@pytest.mark.parametrize("name", ["toy-face", "toy-synthesis"])
def test_the_live_version_answers_and_an_older_one_can_be_live_again(
    owned: RunningStack, media: dict[str, Path], name: str
) -> None:
    number = add_version(owned.repository / name)
    for live in (number, 1):
        set_live(owned.repository / name, live)
        owned.wait_until(
            lambda live=live: answer_of(owned, media["still"], name)["version"] == live, 30, f"{live} did not answer"
        )
        assert answer_of(owned, media["still"], name)["status"] == "scored"


@pytest.mark.parametrize("name", ["toy-face", "toy-synthesis"])
def test_no_request_is_lost_while_a_version_takes_over(owned: RunningStack, media: dict[str, Path], name: str) -> None:
    number = add_version(owned.repository / name)
    traffic = Traffic(owned, media["still"])
    with traffic.flowing(clients=4):
        for live in (number, 1, number):
            before = len(traffic.answers)
            set_live(owned.repository / name, live)
            owned.wait_until(lambda live=live: model_of(owned, name)["live"] == live, 30, f"{live} did not take over")
            owned.wait_until(lambda before=before: len(traffic.answers) > before + 8, 30, "traffic stopped")
    assert traffic.broken == []
    assert set(traffic.statuses()) == {200}
    answers = [{d["name"]: d for d in answer.json()["detectors"]}[name] for answer in traffic.answers]
    assert [a["reason"] for a in answers if a["status"] != "scored"] == []
    assert {a["version"] for a in answers} == {1, number}


def test_a_half_copied_newer_folder_does_not_keep_the_live_version_from_a_restarted_server(
    owned: RunningStack, media: dict[str, Path]
) -> None:
    half = owned.repository / "toy-face" / str(next(_numbers))
    half.mkdir()
    (half / "model.onnx").write_bytes(b"half a copy")
    for server in owned.descendants("tritonserver", "--model-repository"):
        server.kill()
        server.wait(timeout=10)
    owned.wait_until(lambda: answers(owned, media["still"], "toy-face", version=1), 60, "it did not answer again")


@pytest.mark.parametrize("name", ["toy-face", "toy-synthesis"])
def test_a_version_that_its_server_cannot_load_never_answers_not_even_after_a_restart(
    owned: RunningStack, media: dict[str, Path], name: str
) -> None:
    def spoil(card: dict[str, Any], staged: Path) -> None:
        model = next(path for path in (staged / "model.onnx", staged / "saved_model.pb") if path.exists())
        model.write_bytes(b"no model at all")
        files = artifact_files(staged)
        card["artifact"] = {"sha256": artifact_digest(files), "files": files}

    number = add_version(owned.repository / name, spoil)
    set_live(owned.repository / name, number)
    owned.wait_until(lambda: f" {number}" in (model_of(owned, name)["reason"] or ""), 60, "it was not refused")
    assert answer_of(owned, media["still"], name)["version"] == 1
    for server in [*owned.descendants("tritonserver", "--model-rep"), *owned.descendants("telltale_local.standin")]:
        server.kill()
        server.wait(timeout=10)
    owned.wait_until(lambda: answers(owned, media["still"], name, version=1), 60, "it did not answer again")


@pytest.mark.parametrize("text", ["live: one\n", "", "live: 1\ncanary: {version: 1, percent: 5}\n"])
def test_a_rollout_that_cannot_be_followed_is_reported_and_what_answered_goes_on(
    owned: RunningStack, media: dict[str, Path], text: str
) -> None:
    (owned.repository / "toy-face/rollout.yaml").write_text(text)
    owned.wait_until(lambda: owned.client.get("/health").status_code == 503, 30, "it was not noticed")
    assert "toy-face" in owned.client.get("/health").json()["problems"]
    response = owned.predict(media["still"])
    assert response.json()["degraded"]
    assert answer_of(owned, media["still"], "toy-face")["status"] == "scored"


@pytest.mark.parametrize("name", ["toy-face", "toy-synthesis"])
def test_a_version_that_fails_its_golden_check_never_answers_and_the_one_before_goes_on(
    owned: RunningStack, media: dict[str, Path], name: str
) -> None:
    def lie(card: dict[str, Any], _: Path) -> None:
        card["golden"]["scores"] = [1.0 - score / 2 for score in card["golden"]["scores"]]

    number = add_version(owned.repository / name, lie)
    set_live(owned.repository / name, number)
    owned.wait_until(lambda: "golden" in (model_of(owned, name)["reason"] or ""), 30, "the lie was not found")
    answer = answer_of(owned, media["still"], name)
    assert (answer["status"], answer["version"]) == ("scored", 1)
    assert model_of(owned, name)["rollout"]["live"] == number


def test_a_version_with_other_bytes_than_its_card_never_answers(owned: RunningStack, media: dict[str, Path]) -> None:
    detector = owned.repository / "toy-face"
    number = add_version(detector)
    with (detector / str(number) / "model.onnx").open("ab") as model:
        model.write(b"\0")
    set_live(detector, number)
    owned.wait_until(lambda: "model.onnx" in (model_of(owned, "toy-face")["reason"] or ""), 30, "it was not refused")
    answer = answer_of(owned, media["still"], "toy-face")
    assert (answer["status"], answer["version"]) == ("scored", 1)


def test_a_version_that_was_not_measured_on_a_medium_does_not_vote_there(
    owned: RunningStack, media: dict[str, Path]
) -> None:
    def only_video(card: dict[str, Any], _: Path) -> None:
        card["measured"] = [m for m in card["measured"] if m["medium"] == "video"]

    number = add_version(owned.repository / "toy-face", only_video)
    set_live(owned.repository / "toy-face", number)
    owned.wait_until(lambda: model_of(owned, "toy-face")["live"] == number, 30, f"{number} was not live")
    on_still = answer_of(owned, media["still"], "toy-face")
    assert on_still["status"] == "not_applicable"
    assert "never measured on image" in on_still["reason"]
    assert answer_of(owned, media["face"], "toy-face")["status"] == "scored"


def test_a_manifest_whose_tensor_names_are_wrong_fails_and_says_so(owned: RunningStack, media: dict[str, Path]) -> None:
    manifest = owned.repository / "toy-synthesis/detector.yaml"
    document = yaml.safe_load(manifest.read_text())
    document["tensors"]["probability"] = "verisimilitude"
    manifest.write_text(yaml.safe_dump(document))
    owned.wait_until(lambda: not model_of(owned, "toy-synthesis")["ready"], 30, "it stayed ready")
    answer = answer_of(owned, media["still"], "toy-synthesis")
    assert answer["status"] == "failed"
    assert "verisimilitude" in answer["reason"]
    assert answer_of(owned, media["still"], "toy-face")["status"] == "scored"
