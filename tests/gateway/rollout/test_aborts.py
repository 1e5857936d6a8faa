"""A canary that is taken out gets nothing from the moment that this is decided, whatever was read before."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from telltale_contracts import Rollout, RolloutEvent
from telltale_gateway.rollout import RolloutStore

from tests.gateway.rollout.looping import PATIENCE_S, loop_over, put_beside, running
from tests.gateway.rollout.servers import ToyFaceInMemory

pytestmark = pytest.mark.anyio


class Held(RolloutStore):
    """A store whose changes wait for ``go``."""

    def __init__(self, repository: Path) -> None:
        super().__init__(repository)
        self.go = threading.Event()
        self.trouble = False

    def change(self, detector: str, edit: Callable[[Rollout], Rollout], event: RolloutEvent) -> Rollout:
        assert self.go.wait(PATIENCE_S)
        if self.trouble:
            raise OSError("no space")
        return super().change(detector, edit, event)


class House:
    """A gateway's loop over toy-face, whose version 2 is canary."""

    def __init__(self, repository: Path) -> None:
        self.home = repository / "toy-face"
        put_beside(self.home, 2)
        self.state("live: 1\ncanary: {version: 2, percent: 50}\n")
        self.store = Held(repository)
        self.server = ToyFaceInMemory()
        self.gateway = loop_over(repository, self.server, store=self.store)
        self.loop, self.until = self.gateway.loop, self.gateway.until

    def readings(self) -> int:
        return self.gateway.reader.readings

    def state(self, text: str) -> None:
        (self.home / "rollout.yaml").write_text(text)

    def has_canary(self) -> bool:
        now = self.loop.deployed("toy-face")
        return now is not None and now.canary is not None

    async def fail(self) -> None:
        """The canary errs, and the loop finds out."""
        await self.until(self.has_canary)
        watch = self.gateway.watches.of(self.gateway.now())
        assert watch is not None
        for _ in range(10):
            watch.failed()
        await self.until(lambda: not self.has_canary())


@pytest.fixture
async def house(toy_repository: Path, tmp_path: Path) -> AsyncIterator[House]:
    repository = tmp_path / "model-repository"
    shutil.copytree(toy_repository / "toy-face", repository / "toy-face")
    house = House(repository)
    house.store.go.set()
    async with running(house.loop):
        yield house
        house.store.go.set()


async def rounds(house: House, count: int) -> None:
    """Let the loop go round, with the canary out all the while."""
    until = house.readings() + count
    while house.readings() < until:
        await asyncio.sleep(0)
        assert not house.has_canary()


async def test_it_is_out_before_that_is_written_and_stays_out_though_it_is_still_named(house: House) -> None:
    await house.until(house.has_canary)
    house.store.go.clear()
    await house.fail()
    # The loop waits for the store now; what was read before still names the canary.
    entry = house.loop.catalog.entries["toy-face"]  # type: ignore[union-attr]
    assert entry.rollout.canary is not None
    await house.loop._reconcile_server("triton", [entry], time.monotonic())
    assert not house.has_canary()
    house.store.go.set()
    await house.until(lambda: Rollout.from_yaml(house.home / "rollout.yaml").canary is None)
    await house.loop._reconcile_server("triton", [entry], time.monotonic())
    await rounds(house, 5)


async def test_it_stays_out_where_that_cannot_be_written_and_it_is_tried_again(house: House) -> None:
    await house.until(house.has_canary)
    house.store.trouble = True
    await house.fail()
    await rounds(house, 5)
    house.store.trouble = False
    await house.until(lambda: Rollout.from_yaml(house.home / "rollout.yaml").canary is None)


async def test_an_order_given_afterwards_brings_it_back_with_nothing_held_against_it(house: House) -> None:
    await house.fail()
    await house.until(lambda: Rollout.from_yaml(house.home / "rollout.yaml").canary is None)
    await rounds(house, 5)
    house.state("live: 1\ncanary: {version: 2, percent: 10}\n")
    await house.until(house.has_canary)
    readings = house.readings()
    await house.until(lambda: house.readings() > readings + 5)
    assert house.has_canary()


async def test_where_it_cannot_be_written_the_gateway_is_heard_all_the_same_and_says_so(house: House) -> None:
    await house.until(house.has_canary)
    house.state("live: [\n")
    await house.fail()

    def beats() -> int:
        # Not by a pattern: beside it lies, for a moment, the one that takes its place.
        own = house.home.parent / ".telltale/gateways/acting.json"
        return int(json.loads(own.read_text())["beat"])

    before = beats()
    await house.until(lambda: beats() > before + 3)
    assert not house.has_canary()
    assert "taking its canary out failed: ParserError" in house.loop.fleet.problems["toy-face"]
    house.state("live: 1\ncanary: {version: 2, percent: 50}\n")
    await house.until(lambda: Rollout.from_yaml(house.home / "rollout.yaml").canary is None)
    await house.until(lambda: not house.loop.fleet.problems)


async def test_a_canary_that_an_order_ended_begins_anew_with_nothing_held_against_it(house: House) -> None:
    await house.until(house.has_canary)
    watch = house.gateway.watches.of(house.gateway.now())
    assert watch is not None
    watch.failed()
    house.state("live: 1\ncandidates: [2]\n")
    await house.until(lambda: not house.has_canary())
    house.state("live: 1\ncanary: {version: 2, percent: 50}\n")
    await house.until(house.has_canary)
    again = house.gateway.watches.of(house.gateway.now())
    assert again is not None
    assert (again.requests, again.errors) == (0, 0)


async def test_a_canary_whose_server_is_away_for_a_moment_is_still_judged_by_what_it_did(house: House) -> None:
    await house.until(house.has_canary)
    watch = house.gateway.watches.of(house.gateway.now())
    assert watch is not None
    watch.failed()
    house.server.away = True
    await house.until(lambda: not house.has_canary())
    await house.gateway.rounds(3)
    house.server.away = False
    await house.until(house.has_canary)
    assert house.gateway.watches.of(house.gateway.now()) is watch
