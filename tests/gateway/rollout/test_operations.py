"""What an order does, decided on the state as it lies on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from telltale_contracts import Rollout, RolloutEvent
from telltale_gateway.errors import OrderRefused
from telltale_gateway.rollout import CatalogReader, RolloutStore
from telltale_gateway.rollout.operations import Operations
from telltale_gateway.rollout.orders import Order
from telltale_gateway.rollout.proving import Proof
from telltale_gateway.rollout.staging import _held
from telltale_gateway.rollout.store import event, made_live, revised

pytestmark = pytest.mark.anyio


class Racing(RolloutStore):
    """A store in which ``first`` happens to a detector just before the first change."""

    first: Callable[[Rollout], Rollout] | None = None

    def change(self, detector: str, edit: Callable[[Rollout], Rollout], event: RolloutEvent) -> Rollout:
        if self.first is not None:
            first, self.first = self.first, None
            super().change(detector, first, event)
        return super().change(detector, edit, event)


def package(source: Path, place: Path, version: int) -> None:
    """A version's bytes again, under another number."""
    shutil.copytree(source, place)
    card = yaml.safe_load((place / "card.yaml").read_text())
    (place / "card.yaml").write_text(yaml.safe_dump({**card, "version": version}))


class Desk:
    """toy-face with three versions, an operator, and a catalog that is as old as its last look."""

    def __init__(self, repository: Path) -> None:
        self.home = repository / "toy-face"
        for version in (2, 3):
            package(self.home / "1", self.home / str(version), version)
        self.store = Racing(repository)
        self.passed: set[int] = set()
        self.operations = self.with_staging(None)
        self.look()

    def with_staging(self, root: Path | None) -> Operations:
        """The same operator, who may take folders in from ``root``."""
        reconciler: Any = SimpleNamespace(proof=self._proof, nudge=lambda: None)
        waiting: Any = None
        return Operations(self.home.parent, self.store, reconciler, waiting, staging_root=root)

    def look(self) -> None:
        reader = CatalogReader(self.home.parent, settle_s=0.0)
        reader.read()
        self.entry = reader.read().entries["toy-face"]

    def write(self, text: str) -> None:
        (self.home / "rollout.yaml").write_text(text)

    async def order(self, action: Any, version: int | None = None) -> Rollout:
        await self.operations.perform(self.entry, Order(action=action, version=version), "a test")
        return self.store.read("toy-face")

    def _proof(self, _: object, version: int) -> Proof:
        return Proof(passed=version in self.passed)


@pytest.fixture
def desk(toy_repository: Path, tmp_path: Path) -> Desk:
    return Desk(shutil.copytree(toy_repository, tmp_path / "model-repository"))


async def test_a_rollback_goes_back_from_what_lies_on_disk_not_from_what_was_read_before(desk: Desk) -> None:
    desk.write("live: 2\nprevious: 1\ncandidates: [3]\n")
    desk.look()
    desk.passed = {2, 3}
    assert (await desk.order("promote", 3)).live == 3
    assert (await desk.order("rollback")).next == 2


@pytest.mark.parametrize("action", ["rollback", "drain"])
async def test_an_order_that_meets_a_promotion_that_just_ends_is_decided_anew(desk: Desk, action: str) -> None:
    desk.write("live: 1\ncandidates: [2]\nnext: 2\n")
    desk.look()
    desk.store.first = lambda now: made_live(now, 2)
    if action == "rollback":
        assert (await desk.order("rollback")).next == 1
    else:
        with pytest.raises(Exception, match="2 is live"):
            await desk.order("drain", 2)
        assert desk.store.read("toy-face").live == 2


@pytest.mark.parametrize(("action", "pinned"), [("pin", True), ("promote", False)])
async def test_a_version_made_live_stays_so_whatever_was_to_follow(desk: Desk, action: str, pinned: bool) -> None:
    desk.write("live: 1\ncandidates: [2, 3]\nnext: 3\n")
    desk.look()
    desk.passed = {2}
    after = await desk.order(action, 2)
    assert (after.live, after.next, after.pinned) == (2, None, pinned)


async def test_a_pin_that_comes_while_a_folder_is_copied_holds(
    desk: Desk, tmp_path: Path, toy_repository: Path
) -> None:
    package(toy_repository / "toy-face/1", tmp_path / "staging/new", 9)
    manifest = desk.home / "detector.yaml"
    manifest.write_text(manifest.read_text() + "policy: auto\n")
    desk.look()
    desk.store.first = lambda now: revised(now, pinned=True)
    receipt = await desk.with_staging(tmp_path / "staging").perform(
        desk.entry, Order(action="stage", path="new"), "a test"
    )
    after = desk.store.read("toy-face")
    assert (after.candidates, after.next, after.pinned) == ((9,), None, True)
    assert "is held as candidate" in receipt.next


def test_copies_that_a_killed_gateway_left_are_removed_and_those_that_are_held_are_not(desk: Desk) -> None:
    left, kept = (desk.home / f".toy-face-staging-{name}" for name in ("left", "kept"))
    for place in (left, kept):
        shutil.copytree(desk.home / "1", place / "9")
    with _held(kept):
        desk.operations.remove_left_over()
        assert (left.exists(), kept.exists()) == (False, True)
    desk.operations.remove_left_over()
    assert not kept.exists()


@pytest.mark.parametrize("lost", [["rollout.yaml"], ["rollout.yaml", "history.jsonl"]])
@pytest.mark.parametrize("action", ["stage", "promote", "rollback", "pin", "drain", "shadow", "canary"])
async def test_no_order_makes_a_state_of_one_that_is_missing(
    desk: Desk, tmp_path: Path, toy_repository: Path, action: Any, lost: list[str]
) -> None:
    package(toy_repository / "toy-face/1", tmp_path / "staging/new", 9)
    desk.write("live: 1\ncandidates: [2]\n")
    desk.look()
    desk.passed = {2}
    for name in lost:
        (desk.home / name).unlink()
    order = Order(action=action, version=2, path="new", percent=5.0)
    with pytest.raises(
        OrderRefused, match=r"rollout\.yaml is missing, though versions of toy-face were given parts"
    ) as refused:
        await desk.with_staging(tmp_path / "staging").perform(desk.entry, order, "a test")
    assert "Put it back" in str(refused.value.hint)
    assert {path.name for path in desk.home.iterdir() if path.is_dir()} == {"1", "2", "3"}
    assert not (desk.home / "rollout.yaml").exists()


@pytest.mark.parametrize("refused", [False, True])
async def test_the_first_stage_of_a_new_detector_makes_its_state(
    desk: Desk, tmp_path: Path, toy_repository: Path, refused: bool
) -> None:
    package(toy_repository / "toy-face/1", tmp_path / "staging/new", 9)
    for name in ("rollout.yaml", "history.jsonl"):
        (desk.home / name).unlink()
    if refused:
        line = event("refuse", 1, who="telltale_gateway", why="it is bad")
        desk.store.change("toy-face", lambda now: now, line)
    desk.look()
    await desk.with_staging(tmp_path / "staging").perform(desk.entry, Order(action="stage", path="new"), "a test")
    assert desk.store.read("toy-face") == Rollout(candidates=(9,))


async def test_a_folder_whose_stage_cannot_be_written_down_is_not_in_the_repository(
    desk: Desk, tmp_path: Path, toy_repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space")

    package(toy_repository / "toy-face/1", tmp_path / "staging/new", 9)
    before = {path.name for path in desk.home.iterdir()}
    operations, order = desk.with_staging(tmp_path / "staging"), Order(action="stage", path="new")
    with monkeypatch.context() as patch:
        patch.setattr("telltale_gateway.rollout.store._replace", full)
        with pytest.raises(OrderRefused, match="cannot be taken in: no space"):
            await operations.perform(desk.entry, order, "a test")
    assert {path.name for path in desk.home.iterdir()} == before
    await operations.perform(desk.entry, order, "a test")
    assert (desk.home / "9").is_dir()


async def test_a_staged_card_nested_too_deeply_is_refused(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "staging/new").mkdir(parents=True)
    (tmp_path / "staging/new/card.yaml").write_text("[" * 3000)
    with pytest.raises(OrderRefused, match=r"card\.yaml cannot be read"):
        await desk.with_staging(tmp_path / "staging").perform(desk.entry, Order(action="stage", path="new"), "a test")


@pytest.mark.parametrize("state", ["canary: {version: 3, percent: 5}", "next: 3"])
async def test_a_rollback_that_names_a_version_goes_there_or_is_refused(desk: Desk, state: str) -> None:
    text = f"live: 2\nprevious: 1\ncandidates: [3]\n{state}\n"
    desk.write(text)
    desk.look()
    with pytest.raises(OrderRefused, match="a rollback takes 3 back, and 2 answers everything"):
        await desk.order("rollback", 1)
    assert (desk.home / "rollout.yaml").read_text() == text
    after = await desk.order("rollback", 2)
    assert (after.live, after.canary, after.next) == (2, None, None)
