"""What a version's number stands for: its bytes and its card, from when it was taken in."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from telltale_contracts import RolloutEvent
from telltale_gateway.errors import OrderRefused
from telltale_gateway.rollout import CatalogEntry, CatalogReader, Prover, RolloutStore, Steward, inspection
from telltale_gateway.rollout.fleet import Deployed, Readiness
from telltale_gateway.rollout.stages import version_status
from telltale_gateway.rollout.staging import checked
from telltale_gateway.rollout.store import event, without

pytestmark = pytest.mark.anyio


class Clock:
    """Time as folders are judged by, which stands still until it is said to pass."""

    def __init__(self) -> None:
        self._now = time.monotonic()

    def monotonic(self) -> float:
        return self._now

    def passes(self, seconds: float) -> None:
        self._now += seconds

    @contextmanager
    def instead(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inspection, "time", self)
            yield


@pytest.fixture
def home(toy_repository: Path, tmp_path: Path) -> Path:
    """toy-face, whose history knows the bytes of version 1 and not its card."""
    return shutil.copytree(toy_repository, tmp_path / "model-repository") / "toy-face"


def put(home: Path, version: int, **changes: Any) -> Path:
    """A version with the first one's bytes and a card that is its own."""
    place = shutil.copytree(home / "1", home / str(version))
    card = yaml.safe_load((place / "card.yaml").read_text())
    (place / "card.yaml").write_text(yaml.safe_dump({**card, "version": version, **changes}))
    return place


def edit(place: Path) -> None:
    """Another calibration, and so other answers from the same bytes."""
    card = yaml.safe_load((place / "card.yaml").read_text())
    card["calibration"]["intercept"] = 4.0
    (place / "card.yaml").write_text(yaml.safe_dump(card))


def read(home: Path, reader: CatalogReader | None = None) -> CatalogEntry:
    reader = reader or CatalogReader(home.parent, settle_s=0.0)
    reader.read()
    return reader.read().entries[home.name]


async def tend(home: Path) -> CatalogEntry:
    await Steward(RolloutStore(home.parent), Prover(1.0)).tend(read(home), lambda _, __: None)
    return read(home)


async def test_a_card_that_is_changed_after_its_version_was_taken_in_is_refused_with_the_reason(home: Path) -> None:
    place = put(home, 2)
    entry = await tend(home)
    assert entry.rollout.candidates == (2,)
    whole = (place / "card.yaml").read_bytes()
    edit(place)
    entry = await tend(home)
    assert entry.rollout.candidates == ()
    status = version_status(entry, 2, None, None, frozenset())
    assert status.stage == "refused"
    assert "its card.yaml is not the one that was taken in" in str(status.reason)
    with pytest.raises(OrderRefused, match=r"Version 2 is refused: its card\.yaml is not"):
        checked(place, entry.manifest, 2, entry.history)
    (place / "card.yaml").write_bytes(whole)
    assert (await tend(home)).rollout.candidates == (2,)


def test_the_card_of_a_live_version_is_fixed_while_a_gateway_runs_though_nobody_wrote_it_down(home: Path) -> None:
    reader = CatalogReader(home.parent, settle_s=0.0)
    assert 1 in read(home, reader).releases
    edit(home / "1")
    entry = read(home, reader)
    assert "its card.yaml is not the one" in entry.unsound[1]
    # Where its history does not know it, another gateway takes it as it is.
    assert 1 in read(home).releases


async def test_every_line_that_binds_a_number_to_its_bytes_binds_it_to_its_card(home: Path) -> None:
    put(home, 2)
    entry = await tend(home)
    line = json.loads((home / "history.jsonl").read_text().splitlines()[-1])
    assert (line["sha256"], line["card_sha256"]) == (entry.releases[2].sha256, entry.releases[2].card_sha256)
    # What was written before there was such a digest stays as it was.
    first = (home / "history.jsonl").read_text().splitlines()[0]
    assert RolloutEvent.model_validate_json(first).to_line() == first + "\n"


async def test_a_number_that_stood_for_other_bytes_is_refused_though_nothing_is_asked_of_it(
    home: Path, toy_versions: Path
) -> None:
    place = put(home, 2)
    await tend(home)
    shutil.rmtree(place)
    assert (await tend(home)).history.refusal(2) is None
    shutil.copytree(toy_versions / "toy-face/drifting", place)
    card = yaml.safe_load((place / "card.yaml").read_text())
    (place / "card.yaml").write_text(yaml.safe_dump({**card, "version": 2}))
    for _ in range(2):
        entry = await tend(home)
        status = version_status(entry, 2, None, None, frozenset())
        assert status.stage == "refused"
        assert "already existed with other bytes" in str(status.reason)
    assert [e.action for e in entry.history.events if e.version == 2] == ["stage", "retire", "refuse"]


@pytest.mark.parametrize("at_rest", [True, False])
async def test_what_has_been_refused_is_not_arriving_again(home: Path, toy_versions: Path, at_rest: bool) -> None:
    place = put(home, 2)
    entry = await tend(home)
    if at_rest:
        RolloutStore(home.parent).change("toy-face", lambda now: without(now, 2), event("drain", 2, who="a", why="b"))
    reader, now = CatalogReader(home.parent, settle_s=5.0), Clock()
    with now.instead():
        now.passes(10.0)
        read(home, reader)
        shutil.rmtree(place)
        shutil.copytree(toy_versions / "toy-face/drifting", place)
        card = yaml.safe_load((place / "card.yaml").read_text())
        (place / "card.yaml").write_text(yaml.safe_dump({**card, "version": 2}))
        entry = read(home, reader)
        assert (2 in entry.arriving, 2 in entry.unsound) == (at_rest, not at_rest)
        now.passes(5.0 if at_rest else 0.0)
        steward = Steward(RolloutStore(home.parent), Prover(1.0))
        await steward.tend(read(home, reader), lambda _, __: None)
        for _ in range(2):
            entry = read(home, reader)
            assert "already existed with other bytes" in entry.unsound[2]
            await steward.tend(entry, lambda _, __: None)
    assert [e.action for e in entry.history.events if e.version == 2].count("refuse") == 1


async def test_a_number_whose_own_bytes_come_back_is_no_other(home: Path) -> None:
    place = put(home, 2)
    await tend(home)
    away = place.rename(home.parent / "away")
    await tend(home)
    away.rename(place)
    entry = await tend(home)
    assert version_status(entry, 2, None, None, frozenset()).stage == "unloaded"
    assert entry.history.last(2).action == "retire"  # type: ignore[union-attr]


def test_files_that_changed_since_they_were_read_are_known_before_they_are_read_again(home: Path) -> None:
    reader = CatalogReader(home.parent, settle_s=0.0)
    entry = read(home, reader)
    assert reader.compared(entry, (1,)).changed == {}
    (home / "1/model.onnx").write_bytes(b"another")
    assert reader.compared(entry, (1, 7)).changed == {1: "model.onnx was just changed", 7: "its folder is gone"}
    entry = read(home, reader)
    assert reader.compared(entry, (1,)).changed == {1: entry.unsound[1]}


def test_a_version_that_waits_because_the_live_one_was_changed_says_so(home: Path) -> None:
    put(home, 2)
    (home / "rollout.yaml").write_text("live: 1\ncandidates: [2]\n")
    reader = CatalogReader(home.parent, settle_s=0.0)
    before = read(home, reader)
    deployed = Deployed(before.manifest, 1, before.releases[1], None, Readiness(ready=True, reason=None))
    assert version_status(before, 2, deployed, None, frozenset()).reason is None
    (home / "1/model.onnx").write_bytes(b"another")
    entry = read(home, reader)
    assert entry.manifest.server == "triton"
    live, waiting = (version_status(entry, version, deployed, None, frozenset()) for version in (1, 2))
    assert (live.stage, waiting.stage) == ("live", "loading")
    assert "its server loads no other version until these files are put back" in str(live.reason)
    assert "version 1: files are not those" in str(waiting.reason)
    assert "Put these files back" in str(waiting.reason)


@pytest.mark.parametrize(("undecided", "stage"), [(True, "loading"), (False, "refused")])
def test_a_live_version_that_only_waits_is_not_refused(home: Path, undecided: bool, stage: str) -> None:
    put(home, 2)
    (home / "rollout.yaml").write_text("live: 2\nprevious: 1\n")
    entry = read(home)
    deployed = Deployed(
        entry.manifest, 1, None, None, Readiness(ready=True, reason=None), refused="why", undecided=undecided
    )
    status = version_status(entry, 2, deployed, None, frozenset())
    assert (status.stage, status.reason) == (stage, "why")


def test_a_card_at_rest_that_is_still_being_written_is_no_other_card(home: Path) -> None:
    place = put(home, 2)
    line = json.loads((home / "history.jsonl").read_text().splitlines()[-1])
    (home / "history.jsonl").write_text(
        "".join(json.dumps({**line, "version": v, "action": "retire"}) + "\n" for v in (1, 2))
    )
    (place / "card.yaml").write_text("{{{")
    entry = read(home, CatalogReader(home.parent, settle_s=60.0))
    assert 2 in entry.arriving
    (place / "card.yaml").unlink()
    assert "card.yaml is missing" in read(home).arriving[2]
