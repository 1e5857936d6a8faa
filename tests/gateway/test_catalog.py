from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from telltale_contracts import Rollout
from telltale_gateway.rollout import Catalog, CatalogReader, RolloutStore, catalog
from telltale_gateway.rollout.history import History
from telltale_gateway.rollout.store import event, revised


def read_catalog(repository: Path) -> Catalog:
    return CatalogReader(repository, settle_s=0.0).read()


@pytest.fixture
def repository(toy_repository: Path, tmp_path: Path) -> Path:
    return shutil.copytree(toy_repository, tmp_path / "model-repository")


def test_every_sound_version_is_found_with_its_golden_inputs(repository: Path) -> None:
    found = read_catalog(repository)
    assert set(found.entries) == {"toy-face", "toy-synthesis", "toy-voice"}
    assert not found.unreadable
    for entry in found.entries.values():
        release = entry.releases[1]
        assert release.golden.shape[0] == len(release.card.golden.scores)


def test_a_version_whose_bytes_changed_is_refused_and_names_the_file(repository: Path) -> None:
    model = repository / "toy-face/1/model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    entry = read_catalog(repository).entries["toy-face"]
    assert entry.releases == {}
    assert "model.onnx" in entry.unsound[1]


def test_a_file_that_the_card_does_not_name_is_refused(repository: Path) -> None:
    (repository / "toy-synthesis/1/variables/extra").write_text("x")
    assert "variables/extra" in read_catalog(repository).entries["toy-synthesis"].unsound[1]


def test_a_version_that_is_not_there_is_said_to_be_missing(repository: Path) -> None:
    (repository / "toy-face/rollout.yaml").write_text("live: 7\n")
    assert read_catalog(repository).entries["toy-face"].unsound == {7: "card.yaml is missing"}


def test_a_card_of_another_detector_is_refused(repository: Path) -> None:
    shutil.copy(repository / "toy-voice/1/card.yaml", repository / "toy-face/1/card.yaml")
    assert "toy-voice 1" in read_catalog(repository).entries["toy-face"].unsound[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [("name: [", "expected"), ("name: toy-face\n", "description"), ("surprise: 1\n", "surprise")],
)
def test_a_detector_that_cannot_be_read_is_named_and_the_others_stay(repository: Path, text: str, says: str) -> None:
    (repository / "toy-face/detector.yaml").write_text(text)
    found = read_catalog(repository)
    assert says in found.unreadable["toy-face"]
    assert set(found.entries) == {"toy-synthesis", "toy-voice"}


def test_folders_that_are_no_detectors_are_left_alone(repository: Path) -> None:
    (repository / "lost+found").mkdir()
    (repository / "README.md").write_text("x")
    assert not read_catalog(repository).unreadable


def test_versions_already_known_are_not_read_again(repository: Path) -> None:
    reader = CatalogReader(repository, settle_s=0.0)
    first, second = reader.read(), reader.read()
    assert second.entries["toy-face"].releases[1] is first.entries["toy-face"].releases[1]


def test_a_state_is_never_read_without_the_line_of_history_that_led_to_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, told = RolloutStore(repository), iter([event("refuse", 2, who="me", why="it answers NaN")])
    store.change("toy-face", lambda now: revised(now, candidates=(2,)), event("stage", 2, who="me", why="it is there"))
    real = catalog.read_rollout

    def written_meanwhile(folder: Path, history: History, before: Rollout | None = None) -> Rollout:
        for line in told if folder.name == "toy-face" else ():
            store.change("toy-face", lambda now: revised(now, candidates=()), line)
        return real(folder, history, before)

    monkeypatch.setattr(catalog, "read_rollout", written_meanwhile)
    entry = read_catalog(repository).entries["toy-face"]
    assert entry.rollout.candidates == ()
    assert entry.history.refusal(2) == "it answers NaN"
