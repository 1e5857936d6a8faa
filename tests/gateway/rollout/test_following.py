"""What a gateway does that another one acts for."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from telltale_gateway.rollout import Lease, Presence, Present

from tests.gateway.rollout.looping import loop_over, put_beside, running
from tests.gateway.rollout.servers import ToyFaceInMemory

pytestmark = pytest.mark.anyio


class Watched(ToyFaceInMemory):
    """Counts how often it was looked at; one look begins when the one before is over."""

    looks = 0

    async def alive(self) -> bool:
        self.looks += 1
        return await super().alive()


class Follower:
    """A gateway over toy-face, whose version 2 is canary and is on the server; another gateway holds the lease."""

    def __init__(self, repository: Path) -> None:
        home = repository / "toy-face"
        put_beside(home, 2)
        (home / "rollout.yaml").write_text("live: 1\ncanary: {version: 2, percent: 50}\n")
        self.lease = Lease(repository)
        assert self.lease.take()
        self.acting = Presence(repository, "acting")
        self.server = Watched()
        self.server.loaded = {"toy-face": frozenset({1, 2})}
        gateway = loop_over(repository, self.server, gateway="following")
        self.loop, self.until = gateway.loop, gateway.until

    def told(self, *stands: int, doubts: dict[int, str] | None = None) -> None:
        """The gateway that acts says which versions the server is to keep, and of which it knows nothing."""
        kept, unknown = {"toy-face": frozenset(stands)}, {"toy-face": doubts or {}}
        self.acting.tell(Present("acting", {}, {}, stack=self.lease.stack, stands=kept, doubts=unknown))

    async def looks(self) -> None:
        """Until what was told before this has had its consequences.

        The first look that begins now may go by what was heard earlier. Once the third begins the second is over, and
        what that one examined shows in the next.
        """
        until = self.server.looks + 5
        await self.until(lambda: self.server.looks >= until)

    async def answers(self, canary: int) -> None:
        """Until version 1 answers and a canary has its share."""
        await self.until(lambda: self.ready() and self.canary() == canary)

    def ready(self) -> bool:
        now = self.loop.deployed("toy-face")
        return now is not None and now.readiness.ready

    def canary(self) -> int | None:
        now = self.loop.deployed("toy-face")
        return now.canary.version if now is not None and now.canary is not None else None


@pytest.fixture
async def follower(toy_repository: Path, tmp_path: Path) -> AsyncIterator[Follower]:
    repository = tmp_path / "model-repository"
    shutil.copytree(toy_repository / "toy-face", repository / "toy-face")
    follower = Follower(repository)
    follower.told(1)
    async with running(follower.loop):
        yield follower


async def test_a_version_that_the_acting_gateway_is_about_to_unload_proves_nothing(follower: Follower) -> None:
    await follower.until(follower.ready)
    await follower.looks()
    assert (set(follower.server.asked), follower.canary()) == ({1}, None)
    follower.told(1, 2)
    await follower.answers(canary=2)
    follower.told(1)
    await follower.looks()
    assert follower.canary() is None
    # It comes again: what it proved before counts no more.
    follower.server.failing = {2}
    asked = follower.server.asked.count(2)
    follower.told(1, 2)
    await follower.until(lambda: follower.server.asked.count(2) > asked)
    await follower.looks()
    assert follower.canary() is None
    assert follower.server.told == []


async def test_what_the_acting_gateway_is_in_doubt_about_does_not_answer_here_either(follower: Follower) -> None:
    follower.told(1, 2)
    await follower.answers(canary=2)
    follower.told(1, doubts={1: "nobody knows it", 2: "nor this"})
    await follower.looks()
    now = follower.loop.deployed("toy-face")
    assert now is not None
    assert (now.version, now.readiness.ready, now.readiness.reason) == (1, False, "version 1: nobody knows it")
    assert follower.canary() is None
    follower.told(1, 2)
    await follower.answers(canary=2)


async def test_where_nobody_says_what_is_to_stay_a_gateway_goes_by_what_is_loaded(follower: Follower) -> None:
    await follower.until(follower.ready)
    await follower.looks()
    assert follower.canary() is None
    follower.acting.leave()
    await follower.answers(canary=2)
