"""When an order that is waited for is done: once every gateway does what it says."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from telltale_gateway.errors import OrderPending
from telltale_gateway.rollout import Deployed, Present, Share, Usage, Waiting

from tests.gateway.outcomes import deployed

pytestmark = pytest.mark.anyio


def beside(version: int) -> Share:
    known = deployed("toy", "face_swap").release
    assert known is not None
    return Share(replace(known, card=known.card.model_copy(update={"version": version})), 50.0)


def other(canaries: dict[str, int] | None) -> Present:
    return Present("other", {"toy": 1}, {}, canaries, canaries)


async def is_done(now: Deployed, *others: Present, action: Any = "canary", ends: bool = False) -> bool:
    """Whether an order about version 2 counts as done."""
    entry = SimpleNamespace(
        history=SimpleNamespace(events=[]), rollout=SimpleNamespace(candidates=(), next=None, live=1), reading=1
    )
    reconciler: Any = SimpleNamespace(
        fleet=SimpleNamespace(detectors={"toy": now}), catalog=SimpleNamespace(entries={"toy": entry})
    )
    presence: Any = SimpleNamespace(others=others, uses=lambda _: frozenset())
    try:
        await Waiting(reconciler, presence, Usage(), 0.0).until_done("toy", action, 2, since=0, ends=ends)
    except OrderPending:
        return False
    return True


@pytest.mark.parametrize("part", ["canary", "shadow"])
async def test_a_share_is_given_once_every_gateway_gives_it(part: str) -> None:
    alone = deployed("toy", "face_swap")
    given = replace(alone, **{part: beside(2)})  # type: ignore[arg-type]
    assert not await is_done(alone, action=part)
    assert await is_done(given, action=part)
    assert not await is_done(given, other({}), action=part)
    assert not await is_done(given, other({"toy": 2}), other({"toy": 3}), action=part)
    assert await is_done(given, other({"toy": 2}), other({"toy": 2}), action=part)
    # One that does not say, and one that has no such detector, are not waited for.
    assert await is_done(given, other(None), replace(other({}), answers={}), action=part)


async def test_a_share_has_ended_once_no_gateway_gives_it() -> None:
    alone = deployed("toy", "face_swap")
    assert not await is_done(replace(alone, canary=beside(2)), other({}), ends=True)
    assert not await is_done(alone, other({"toy": 2}), ends=True)
    assert await is_done(alone, other({}), other(None), ends=True)
