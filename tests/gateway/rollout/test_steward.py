"""What the gateway decides by itself about versions that have come, gone, or failed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from telltale_contracts import Rollout
from telltale_gateway.rollout import CatalogEntry, CatalogReader, Prover, RolloutStore, Steward

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(toy_repository: Path, tmp_path: Path) -> Path:
    """toy-face with a second version that nobody has dealt with."""
    repository = shutil.copytree(toy_repository, tmp_path / "model-repository")
    place = shutil.copytree(repository / "toy-face/1", repository / "toy-face/2")
    card = yaml.safe_load((place / "card.yaml").read_text())
    (place / "card.yaml").write_text(yaml.safe_dump({**card, "version": 2}))
    return repository / "toy-face"


def entry_of(home: Path) -> CatalogEntry:
    reader = CatalogReader(home.parent, settle_s=0.0)
    reader.read()
    return reader.read().entries[home.name]


async def tend(home: Path, failure: str | None = None) -> tuple[Rollout, list[str]]:
    """One round; the desired state afterwards, and what was done to version 2."""
    store = RolloutStore(home.parent)
    await Steward(store, Prover(1.0)).tend(entry_of(home), lambda _, version: failure if version == 2 else None)
    after = entry_of(home)
    return after.rollout, [event.action for event in after.history.events if event.version == 2]


@pytest.mark.parametrize(
    ("manifest", "rollout", "goes_live"),
    [("", "", None), ("policy: auto\n", "", 2), ("policy: auto\n", "pinned: true\n", None)],
    ids=["manual", "auto", "pinned"],
)
async def test_a_version_that_came_is_held_or_goes_live_once_it_has_passed(
    home: Path, manifest: str, rollout: str, goes_live: int | None
) -> None:
    for name, more in (("detector.yaml", manifest), ("rollout.yaml", rollout)):
        (home / name).write_text((home / name).read_text() + more)
    after, done = await tend(home)
    assert (after.live, after.candidates, after.next) == (1, (2,), goes_live)
    assert done == ["stage"]


async def test_a_version_older_than_the_live_one_is_left_where_it_lies(home: Path) -> None:
    (home / "rollout.yaml").write_text("live: 3\n")
    after, done = await tend(home)
    assert (after, done) == (Rollout(live=3), [])


async def test_a_candidate_that_its_server_cannot_load_is_refused_and_not_taken_in_again(home: Path) -> None:
    await tend(home)
    after, done = await tend(home, "it cannot be loaded")
    assert (after, done) == (Rollout(live=1), ["stage", "refuse"])
    assert entry_of(home).history.refusal(2) == "it cannot be loaded"
    assert await tend(home) == (after, done)


async def test_a_candidate_whose_folder_is_gone_is_retired(home: Path) -> None:
    await tend(home)
    shutil.rmtree(home / "2")
    assert await tend(home) == (Rollout(live=1), ["stage", "retire"])


async def test_wrong_bytes_are_refused_once_and_taken_in_when_they_are_mended(home: Path) -> None:
    whole = (home / "2/model.onnx").read_bytes()
    (home / "2/model.onnx").write_bytes(b"wrong")
    for _ in range(2):
        assert await tend(home) == (Rollout(live=1), ["refuse"])
    (home / "2/model.onnx").write_bytes(whole)
    assert await tend(home) == (Rollout(live=1, candidates=(2,)), ["refuse", "stage"])


async def test_a_version_made_live_by_hand_becomes_known_with_its_bytes(home: Path) -> None:
    (home / "rollout.yaml").write_text("live: 2\n")
    after, done = await tend(home)
    assert (after, done) == (Rollout(live=2), ["promote"])
    entry = entry_of(home)
    assert entry.history.digest(2) == entry.releases[2].sha256
