"""Folders that take long to read hold up nobody."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from telltale_gateway.rollout import CatalogReader, inspection
from telltale_gateway.rollout.stages import version_status

RELEASE_WITHIN_S = 20.0


@pytest.fixture
def repository(toy_repository: Path, tmp_path: Path) -> Path:
    return shutil.copytree(toy_repository, tmp_path / "model-repository")


def put(repository: Path, version: int) -> Path:
    place = shutil.copytree(repository / "toy-face/1", repository / "toy-face" / str(version))
    card = yaml.safe_load((place / "card.yaml").read_text())
    (place / "card.yaml").write_text(yaml.safe_dump({**card, "version": version}))
    return place


class Slow:
    """Reading toy-face's versions as if they were huge: none is read before ``go`` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun: list[int] = []
        self._read: Any = inspection.read_release

    def __call__(self, folder: Path, manifest: Any, version: int, fixed: Any) -> Any:
        if manifest.name == "toy-face":
            self.begun.append(version)
            assert self.go.wait(RELEASE_WITHIN_S)
        return self._read(folder, manifest, version, fixed)

    @contextmanager
    def instead(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(inspection, "read_release", self)
        try:
            yield
        finally:
            self.go.set()

    @staticmethod
    def wait_for_all(but: str = "") -> None:
        for thread in threading.enumerate():
            if thread.name.startswith("reading ") and thread.name != but:
                thread.join(RELEASE_WITHIN_S)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    slow = Slow()
    with slow.instead(monkeypatch):
        yield slow


def test_others_are_read_while_one_is_and_it_is_read_once(repository: Path, slow: Slow) -> None:
    reader = CatalogReader(repository, settle_s=0.0, patience_s=0.0)
    for _ in range(3):
        catalog = reader.read()
    entry = catalog.entries["toy-face"]
    assert entry.arriving == {1: "its files are being read and compared with its card"}
    # Nothing is wrong with it, so nothing stands in for it.
    assert entry.unsound == {}
    slow.wait_for_all(but="reading toy-face 1")
    catalog = reader.read()
    assert [name for name, entry in catalog.entries.items() if 1 in entry.releases] == ["toy-synthesis", "toy-voice"]
    assert slow.begun == [1]
    slow.go.set()
    slow.wait_for_all()
    assert 1 in reader.read().entries["toy-face"].releases
    assert slow.begun == [1]


def test_a_version_in_use_is_what_it_was_while_it_is_read_again(repository: Path, slow: Slow) -> None:
    reader = CatalogReader(repository, settle_s=0.0, patience_s=0.0)
    slow.go.set()
    reader.read()
    slow.wait_for_all()
    known = reader.read().entries["toy-face"].releases[1]
    slow.go.clear()
    model = repository / "toy-face/1/model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    assert reader.read().entries["toy-face"].releases[1] is known
    slow.go.set()
    slow.wait_for_all()
    entry = reader.read().entries["toy-face"]
    assert (entry.releases, "model.onnx" in entry.unsound[1]) == ({}, True)


@pytest.mark.parametrize("change", ["none", "while it is away", "it stays away"])
def test_a_live_version_that_comes_back_as_it_was_is_known_at_once(
    repository: Path, slow: Slow, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    reader = CatalogReader(repository, settle_s=0.0, patience_s=0.0)
    slow.go.set()
    reader.read()
    slow.wait_for_all()
    known = reader.read().entries["toy-face"].releases[1]
    away = (repository / "toy-face").rename(repository.parent / "away")
    for _ in range(2):
        assert "toy-face" not in reader.read().entries
    slow.go.clear()
    if change == "while it is away":
        (away / "1/model.onnx").write_bytes(b"other")
    if change == "it stays away":
        monkeypatch.setattr(inspection, "RETURN_S", 0.0)
        reader.read()
    away.rename(repository / "toy-face")
    entry = reader.read().entries["toy-face"]
    assert entry.releases == ({1: known} if change == "none" else {})
    assert slow.begun.count(1) == (1 if change == "none" else 2)


def test_what_changes_while_it_is_read_is_read_again_afterwards(repository: Path, slow: Slow) -> None:
    place = put(repository, 2)
    reader = CatalogReader(repository, settle_s=0.0, patience_s=0.0)
    for _ in range(2):
        reader.read()
    (place / "model.onnx").write_bytes(b"other")
    for _ in range(3):
        assert 2 in reader.read().entries["toy-face"].arriving
    assert slow.begun.count(2) == 1
    slow.go.set()
    slow.wait_for_all()
    reader.read()
    slow.wait_for_all()
    entry = reader.read().entries["toy-face"]
    assert "model.onnx" in entry.unsound[2]
    assert version_status(entry, 2, None, None, frozenset()).stage == "refused"


def test_a_file_too_many_is_told_before_the_rest_is_read(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = put(repository, 2)
    (place / "big.bin").write_text("x")

    def none_is_read(_: Path) -> dict[str, str]:
        pytest.fail("files were read")

    reader = CatalogReader(repository, settle_s=0.0)
    reader.read()
    monkeypatch.setattr("telltale_gateway.rollout.releases.artifact_files", none_is_read)
    assert "big.bin" in reader.read().entries["toy-face"].unsound[2]


@pytest.mark.parametrize("text", ["[" * 3000, "a: 2020-13-45", 'a: !!int ""', "a: !!timestamp b"])
@pytest.mark.parametrize("live", [1, 2])
def test_a_card_over_which_the_reader_of_yaml_stumbles_is_wrong_and_touches_nobody_else(
    repository: Path, text: str, live: int
) -> None:
    place = put(repository, 2)
    (place / "card.yaml").write_text(text)
    (repository / "toy-face/rollout.yaml").write_text(f"live: {live}\nprevious: 1\n")
    reader = CatalogReader(repository, settle_s=0.0, patience_s=RELEASE_WITHIN_S)
    reader.read()
    catalog = reader.read()
    assert catalog.unreadable == {}
    assert "card.yaml cannot be read" in catalog.entries["toy-face"].unsound[2]
    assert [sorted(entry.releases) for entry in catalog.entries.values()] == [[1], [1], [1]]


@pytest.mark.parametrize("name", ["detector.yaml", "rollout.yaml"])
def test_a_file_nested_too_deeply_keeps_its_detector_as_it_was(repository: Path, name: str) -> None:
    reader = CatalogReader(repository, settle_s=0.0, patience_s=RELEASE_WITHIN_S)
    before = reader.read().entries["toy-face"]
    (repository / "toy-face" / name).write_text("[" * 3000)
    catalog = reader.read()
    assert set(catalog.unreadable) == {"toy-face"}
    assert catalog.entries["toy-face"] is before
