"""What the gateway decides by itself about versions that have come, gone, or failed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from telltale_contracts import Rollout
from telltale_gateway.rollout import CatalogEntry, CatalogReader, Prover, RolloutStore, Steward
from telltale_gateway.rollout.proving import Proof
from telltale_gateway.rollout.store import event, revised

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


async def test_a_number_that_no_server_can_carry_is_refused_with_the_reason(home: Path) -> None:
    (home / "2").rename(home / str(2**63))
    card = home / str(2**63) / "card.yaml"
    card.write_text(yaml.safe_dump({**yaml.safe_load(card.read_text()), "version": 2**63}))
    after, _ = await tend(home)
    assert after == Rollout(live=1)
    assert "version" in str(entry_of(home).history.refusal(2**63))
    assert str(2**63 - 1) in str(entry_of(home).history.refusal(2**63))


@pytest.mark.parametrize("under_way", [False, True])
async def test_a_pin_that_comes_meanwhile_holds(home: Path, under_way: bool) -> None:
    (home / "detector.yaml").write_text((home / "detector.yaml").read_text() + "policy: auto\n")
    if under_way:
        assert (await tend(home))[0].next == 2
    entry, store, prover = entry_of(home), RolloutStore(home.parent), Prover(1.0)
    (home / "rollout.yaml").write_text((home / "rollout.yaml").read_text() + "pinned: true\n")
    prover._note(entry.manifest, entry.releases[2], Proof(passed=True))
    for _ in range(3):
        await Steward(store, prover).tend(entry, lambda _, __: None)
        entry = entry_of(home)
    assert (entry.rollout.live, entry.rollout.pinned) == (1, True)
    assert entry.rollout.next == (2 if under_way else None)


async def test_a_pinned_version_goes_live_once_it_has_passed(home: Path) -> None:
    await tend(home)
    store, prover = RolloutStore(home.parent), Prover(1.0)
    line = event("pin", 2, who="a", why="b")
    store.change("toy-face", lambda now: revised(now, next=2, pinned=True), line)
    entry = entry_of(home)
    prover._note(entry.manifest, entry.releases[2], Proof(passed=True))
    await Steward(store, prover).tend(entry, lambda _, __: None)
    assert entry_of(home).rollout == Rollout(live=2, previous=1, pinned=True)
