"""Folders that come: slowly, wrongly, a second time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from telltale_gateway.rollout import CatalogReader


@pytest.fixture
def repository(toy_repository: Path, tmp_path: Path) -> Path:
    return shutil.copytree(toy_repository, tmp_path / "model-repository")


def put(repository: Path, version: int) -> Path:
    """A second version of toy-face with the first one's bytes."""
    place = shutil.copytree(repository / "toy-face/1", repository / "toy-face" / str(version))
    card = yaml.safe_load((place / "card.yaml").read_text())
    (place / "card.yaml").write_text(yaml.safe_dump({**card, "version": version}))
    return place


def test_a_new_folder_is_sound_once_nothing_of_it_changes(repository: Path) -> None:
    reader = CatalogReader(repository, settle_s=60.0)
    reader.read()
    put(repository, 2)
    first, second = (reader.read().entries["toy-face"] for _ in range(2))
    assert (2 in first.arriving, 2 in first.releases) == (True, False)
    assert (2 in second.arriving, 2 in second.releases) == (False, True)


@pytest.mark.parametrize("missing", ["card.yaml", "model.onnx", "golden.safetensors"])
def test_a_folder_of_which_a_part_is_missing_is_arriving_however_long(repository: Path, missing: str) -> None:
    place = put(repository, 2)
    whole = (place / missing).read_bytes()
    (place / missing).unlink()
    reader = CatalogReader(repository, settle_s=0.0)
    for _ in range(3):
        entry = reader.read().entries["toy-face"]
        assert 2 in entry.arriving
        assert entry.unsound == {}
    (place / missing).write_bytes(whole)
    assert 2 in [reader.read().entries["toy-face"].releases for _ in range(2)][-1]


def test_bytes_that_differ_are_arriving_while_they_change_and_wrong_afterwards(repository: Path) -> None:
    place = put(repository, 2)
    (place / "model.onnx").write_bytes(b"half")
    patient, impatient = CatalogReader(repository, settle_s=60.0), CatalogReader(repository, settle_s=0.0)
    for reader in (patient, impatient):
        reader.read()
    assert "sha256" in patient.read().entries["toy-face"].arriving[2]
    assert "sha256" in impatient.read().entries["toy-face"].unsound[2]
    shutil.copy(repository / "toy-face/1/model.onnx", place)
    assert 2 in [impatient.read().entries["toy-face"].releases for _ in range(2)][-1]


def test_a_number_that_stood_for_other_bytes_is_refused_also_by_a_gateway_that_never_saw_them(
    repository: Path, toy_versions: Path
) -> None:
    home = repository / "toy-face"
    shutil.rmtree(home / "1")
    shutil.copytree(toy_versions / "toy-face/good", home / "1")
    assert "already existed with other bytes" in CatalogReader(repository, 0.0).read().entries["toy-face"].unsound[1]


def test_a_detector_without_a_rollout_is_new_and_nothing_of_it_is_live(repository: Path) -> None:
    (repository / "toy-face/rollout.yaml").unlink()
    (repository / "toy-face/history.jsonl").unlink()
    reader = CatalogReader(repository, settle_s=0.0)
    entry = [reader.read().entries["toy-face"] for _ in range(2)][-1]
    assert entry.rollout.live is None
    assert 1 in entry.releases


def test_without_its_configuration_a_triton_detector_is_not_all_there(repository: Path) -> None:
    (repository / "toy-face/config.pbtxt").unlink()
    put(repository, 2)
    assert "config.pbtxt" in CatalogReader(repository, 0.0).read().entries["toy-face"].arriving[2]


@pytest.mark.parametrize("name", ["02", "0", "-1", "two", ".2"])
def test_folders_that_are_no_version_are_left_alone(repository: Path, name: str) -> None:
    shutil.copytree(repository / "toy-face/1", repository / "toy-face" / name)
    assert CatalogReader(repository, 0.0).read().entries["toy-face"].on_disk == {1}


def test_a_state_that_is_missing_is_no_new_detector_also_to_a_gateway_that_never_read_it(repository: Path) -> None:
    (repository / "toy-face/rollout.yaml").unlink()
    catalog = CatalogReader(repository, settle_s=0.0).read()
    assert "toy-face" not in catalog.entries
    assert "rollout.yaml is missing" in catalog.unreadable["toy-face"]


def test_a_detector_that_was_live_is_not_new_though_its_history_is_missing_too(repository: Path) -> None:
    reader = CatalogReader(repository, settle_s=0.0)
    before = reader.read().entries["toy-face"]
    for name in ("rollout.yaml", "history.jsonl"):
        (repository / "toy-face" / name).unlink()
    for _ in range(2):
        catalog = reader.read()
        assert catalog.entries["toy-face"] is before
        assert "rollout.yaml is missing" in catalog.unreadable["toy-face"]
