"""Orders that are waited for where nothing can come of them."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from telltale_contracts import Rollout, TrafficShare
from telltale_gateway.errors import OrderFailed, OrderPending
from telltale_gateway.rollout import Presence, Present, Usage, Waiting
from telltale_gateway.rollout.history import History
from telltale_gateway.rollout.store import event

from tests.gateway.running import problem_of, running_gateway


def test_what_takes_longer_than_a_request_may_wait_is_still_going_on(toy_repository: Path, tmp_path: Path) -> None:
    repository = shutil.copytree(toy_repository, tmp_path / "model-repository")
    folder = tmp_path / "gateway"
    folder.mkdir()
    with running_gateway(repository, folder, {"TELLTALE_ROLLOUT__WAIT_S": "0.3"}) as gateway:
        order = {"action": "pin", "version": 1, "wait": True}
        response = gateway.client.post("/models/toy-face/rollout", json=order)
        problem = problem_of(response, 504, "order_pending")
        assert str(tmp_path) not in problem.detail + problem.hint


class Watched:
    """A detector of which version 1 answers, as this gateway reads it again and again."""

    def __init__(self, folder: Path, rollout: Rollout) -> None:
        self.loaded = frozenset({1, 2})
        self.entry = SimpleNamespace(rollout=rollout, history=History(), reading=5)
        readiness = SimpleNamespace(ready=True)
        answers = SimpleNamespace(version=1, versions={1}, readiness=readiness, canary=None, shadow=None)
        self.reconciler: Any = SimpleNamespace(
            fleet=SimpleNamespace(detectors={"toy": answers}),
            catalog=SimpleNamespace(entries={"toy": self.entry}),
            loaded=lambda _: self.loaded,
            proof=lambda *_: None,
        )
        self.presence = Presence(folder, "own")

    def read(self, rollout: Rollout, *, times: int = 1) -> None:
        self.entry.rollout, self.entry.reading = rollout, self.entry.reading + times

    async def wait(self, action: Any, at_most_s: float, *, ends: bool = False) -> None:
        waiting = Waiting(self.reconciler, self.presence, Usage(), at_most_s)
        await waiting.until_done("toy", action, 2, since=0, ends=ends)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("action", "ordered", "after"),
    [
        ("promote", Rollout(live=1, candidates=(2,), next=2), Rollout(live=1, candidates=(2,))),
        ("pin", Rollout(live=1, candidates=(2,), next=2), Rollout(live=3, previous=1, candidates=(2,))),
        ("canary", Rollout(live=1, canary=TrafficShare(version=2, percent=5)), Rollout(live=1, candidates=(2,))),
        ("stage", Rollout(live=1, candidates=(2,)), Rollout(live=1)),
        ("drain", Rollout(live=1), Rollout(live=1, candidates=(2,))),
    ],
)
async def test_an_order_that_another_overtook_is_over_and_says_by_what(
    tmp_path: Path, action: str, ordered: Rollout, after: Rollout
) -> None:
    watched = Watched(tmp_path, Rollout(live=1, candidates=(4,)))
    # The reading that was on its way when the order was written knows nothing of it.
    waiting = asyncio.create_task(watched.wait(action, 60.0))
    await asyncio.sleep(0)
    watched.read(ordered, times=2)
    await asyncio.sleep(0.15)
    assert not waiting.done()
    watched.entry.history = History(
        (event(action, 2, who="a", why="b"), event("rollback", 1, who="somebody", why="c"))  # type: ignore[arg-type]
    )
    watched.read(after)
    with pytest.raises(OrderFailed, match=r"was overtaken before it was done \(rollback 1 by somebody: c\)"):
        await waiting


@pytest.mark.anyio
async def test_a_drain_is_over_once_no_server_has_the_version(tmp_path: Path) -> None:
    watched = Watched(tmp_path, Rollout(live=1))
    with pytest.raises(OrderPending):
        await watched.wait("drain", 0.0)
    watched.loaded = frozenset({1})
    await watched.wait("drain", 0.0)


@pytest.mark.anyio
async def test_what_another_gateway_said_before_it_read_the_order_is_not_taken_for_obedience(tmp_path: Path) -> None:
    # It answered with 2 until a moment ago, has switched to 1 meanwhile, and has not said so yet.
    order = event("rollback", 2, who="a", why="b")
    watched = Watched(tmp_path, Rollout(live=2, previous=1))
    watched.reconciler.fleet.detectors["toy"].version = 2
    watched.entry.history = History((event("promote", 1, who="a", why="b"), order))
    other = Presence(tmp_path, "other")

    async def is_done() -> bool:
        watched.presence.listen()
        waiting = Waiting(watched.reconciler, watched.presence, Usage(), 0.0)
        try:
            await waiting.until_done("toy", "rollback", 2, since=1, ends=False, written=order)
        except OrderPending:
            return False
        return True

    assert await is_done()
    for answers, heard, expected in ((2, 1, False), (1, 1, False), (1, 2, False), (2, 2, True), (2, 3, True)):
        other.tell(Present("other", {"toy": answers}, {}, heard={"toy": heard}))
        assert await is_done() is expected
    # One of before does not count what it has read.
    other.tell(Present("other", {"toy": 2}, {}))
    assert await is_done()
    # Nor is it done before this gateway has read its own order.
    watched.entry.history = History(watched.entry.history.events[:1])
    assert not await is_done()


def test_what_the_servers_of_every_stack_keep_is_known(tmp_path: Path) -> None:
    own = Presence(tmp_path, "own")
    for stack, versions in (("a", {1, 2}), ("b", {3})):
        Presence(tmp_path, stack).tell(Present(stack, {}, {}, stack=stack, stands={"toy": frozenset(versions)}))
    own.listen()
    assert (own.keeps("toy"), own.keeps("other")) == ({1, 2, 3}, frozenset())
