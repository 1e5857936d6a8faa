"""Who answers a request: shares, what happens when a version cannot, and what makes a canary go."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_contracts import VersionCard
from telltale_gateway.rollout import (
    Deployed,
    Dispatcher,
    DispatchFailed,
    Mirror,
    Release,
    Share,
    Usage,
    Watches,
)
from telltale_gateway.rollout.comparison import Comparison
from telltale_gateway.rollout.mirror import ShadowLog
from telltale_gateway.rollout.splitting import Splitter
from telltale_gateway.rollout.watch import CanaryWatch

from tests.gateway.outcomes import RULES, deployed
from tests.gateway.rollout.servers import ServerInMemory

ITEMS = np.zeros((3, 4), np.float32)


def items(number: int) -> NDArray[np.float32]:
    """An input that no other number gives."""
    return np.full((3, 4), number, np.float32)


def compared(comparison: Comparison, number: int, left: float, right: float) -> None:
    """One input, with its score by either version."""
    comparison.add(number.to_bytes(4), np.array([left], np.float32), np.array([right], np.float32))


def release(version: int) -> Release:
    """A version of the toy whose bytes are its own."""
    known = deployed("toy", "face_swap").release
    assert known is not None
    artifact = known.card.artifact.model_copy(update={"sha256": f"{version:064x}"})
    return Release(known.card.model_copy(update={"version": version, "artifact": artifact}), known.golden)


def toy(version: int, server: ServerInMemory, *, canary: int | None = None, shadow: int | None = None) -> Deployed:
    """The toy, answered by one version, with half of the traffic to those beside it."""
    return replace(
        deployed("toy", "face_swap"),
        version=version,
        release=release(version),
        backend=server,
        canary=Share(release(canary), 50.0) if canary else None,
        shadow=Share(release(shadow), 50.0) if shadow else None,
    )


def dispatcher(now: Deployed, mirror: Mirror | None = None) -> Dispatcher:
    return Dispatcher({"toy": now}.get, mirror or Mirror(Usage(), 4), Watches(RULES))


@pytest.mark.parametrize("percent", [1.0, 10.0, 33.3, 50.0, 99.0, 100.0])
def test_shares_are_exact_in_counts_all_the_way(percent: float) -> None:
    splitter, taken = Splitter(), 0
    for n in range(1, 2001):
        taken += splitter.takes("toy", "canary", 2, percent)
        assert abs(taken - n * percent / 100) <= 1.0
    assert taken == round(2000 * percent / 100)


@pytest.mark.anyio
async def test_all_items_of_a_request_are_scored_by_one_version() -> None:
    server = ServerInMemory()
    detector = toy(1, server, canary=2)
    ask = dispatcher(detector)
    for _ in range(10):
        answered = await ask.ask(detector, np.zeros((30, 4), np.float32), 1.0)
        assert set(answered.scores) == {np.float32(answered.deployed.version / 100)}
    assert sorted(set(server.asked)) == [1, 2]


@pytest.mark.anyio
async def test_a_canary_that_fails_is_replaced_by_the_live_version_and_goes() -> None:
    detector = toy(1, ServerInMemory(failing=[2]), canary=2)
    watches = Watches(RULES)
    ask = Dispatcher({"toy": detector}.get, Mirror(Usage(), 4), watches)
    answers = [await ask.ask(detector, ITEMS, 1.0) for _ in range(8)]
    assert {answer.deployed.version for answer in answers} == {1}
    assert sum(answer.instead_of == 2 for answer in answers) == 4
    breach = watches.breach(detector)
    assert breach is not None
    assert breach.startswith("error rate: 4 of its 4 requests")


@pytest.mark.anyio
async def test_a_version_that_was_drained_meanwhile_is_replaced_by_the_one_that_took_over() -> None:
    server = ServerInMemory(failing=[1])
    answered = await dispatcher(toy(2, server)).ask(toy(1, server), ITEMS, 1.0)
    assert (answered.deployed.version, answered.instead_of) == (2, 1)


@pytest.mark.anyio
async def test_where_nobody_else_could_answer_the_failure_is_said() -> None:
    detector = toy(1, ServerInMemory(failing=[1]))
    with pytest.raises(DispatchFailed, match="toy 1 does not answer"):
        await dispatcher(detector).ask(detector, ITEMS, 1.0)


@pytest.mark.anyio
async def test_a_canary_answers_only_what_its_card_was_measured_on() -> None:
    server = ServerInMemory()
    detector = toy(1, server, canary=2)

    def live_alone(card: VersionCard) -> bool:
        return card.version == 1

    ask = dispatcher(detector)
    for _ in range(4):
        await ask.ask(detector, ITEMS, 1.0, live_alone)
    assert set(server.asked) == {1}
    for _ in range(4):
        await ask.ask(detector, ITEMS, 1.0)
    assert set(server.asked) == {1, 2}


@pytest.mark.anyio
async def test_a_shadow_is_asked_aside_and_dropped_when_there_is_no_room() -> None:
    server = ServerInMemory()
    detector = toy(1, server, shadow=2)
    mirror = Mirror(Usage(), room=3)
    ask = dispatcher(detector, mirror)
    for number in range(20):
        assert (await ask.ask(detector, items(number), 1.0)).deployed.version == 1
    assert set(server.asked) == {1}
    assert mirror.dropped["toy", 2] == 7
    work = asyncio.create_task(mirror.run())
    (comparison,) = ask.shadows.of("toy")
    while comparison.difference().n < 3:  # noqa: ASYNC110 it has no event for that
        await asyncio.sleep(0)
    work.cancel()
    difference = comparison.difference()
    assert (difference.left, difference.right, difference.n) == (1, 2, 3)
    assert difference.mean == pytest.approx(0.01, abs=1e-6)


def test_versions_are_in_use_until_the_last_request_that_may_ask_them_has_ended() -> None:
    usage, server = Usage(), ServerInMemory()
    with usage.of([toy(1, server, canary=2)]), usage.of([toy(2, server)]):
        assert usage.versions("toy") == {1, 2}
    assert usage.all() == {}


@pytest.mark.anyio
async def test_a_canary_that_is_taken_out_answers_no_request_that_had_begun_before() -> None:
    server = ServerInMemory()
    began_with = replace(toy(1, server), canary=Share(release(2), 100.0))
    fleet = {"toy": began_with}
    ask = Dispatcher(fleet.get, Mirror(Usage(), 4), Watches(RULES))
    assert (await ask.ask(began_with, ITEMS, 1.0)).deployed.version == 2
    for now in (toy(1, server), replace(toy(1, server), canary=Share(release(3), 100.0)), toy(2, server)):
        fleet["toy"] = now
        assert (await ask.ask(began_with, ITEMS, 1.0)).deployed.version == 1


@pytest.mark.anyio
async def test_a_request_that_began_before_does_not_begin_the_watch_of_a_new_canary_again() -> None:
    server, watches = ServerInMemory(), Watches(RULES)
    old, new = (replace(toy(1, server), canary=Share(release(version), 100.0)) for version in (2, 3))
    ask = Dispatcher({"toy": new}.get, Mirror(Usage(), 4), watches)
    for _ in range(3):
        await ask.ask(new, ITEMS, 1.0)
        await ask.ask(old, ITEMS, 1.0)
    watch = watches.of(new)
    assert watch is not None
    assert watch.requests == 3


def test_shadows_of_the_same_bytes_are_compared_apart_and_old_pairs_are_let_go() -> None:
    log, live, server = ShadowLog(), toy(1, ServerInMemory()), ServerInMemory()
    known = release(2)
    pairs = []
    for version in range(2, 40):
        card = known.card.model_copy(update={"version": version})
        pairs.append(log.between(live, replace(toy(version, server), release=Release(card, known.golden))))
    assert pairs[-1] is not None
    assert pairs[-1].difference().right == 39
    assert len(log.of("toy")) < len(pairs)
    assert pairs[-1] in log.of("toy")


def watch() -> CanaryWatch:
    return CanaryWatch(release(1), release(2), RULES)


def test_a_slow_canary_goes_once_there_are_requests_enough_to_know() -> None:
    canary = watch()
    for _ in range(RULES.min_requests - 1):
        canary.answered(1, 0.010)
        canary.answered(2, 0.030)
    assert canary.breach(50.0) is None
    canary.answered(1, 0.010)
    canary.answered(2, 0.030)
    assert str(canary.breach(50.0)).startswith("latency: its p95 is 30 ms, the live version's 10 ms")


def test_a_slow_canary_with_all_of_the_traffic_is_held_against_what_the_live_version_took_before() -> None:
    watches, alone = Watches(RULES), toy(1, ServerInMemory())
    for _ in range(RULES.min_requests):
        watches.live_answered(alone, 0.010)
    beside = replace(alone, canary=Share(release(2), 100.0))
    canary = watches.of(beside)
    assert canary is not None
    for _ in range(RULES.min_requests):
        canary.answered(2, 0.030)
    assert "p95 is 30 ms, the live version's before that 10 ms" in str(watches.breach(beside))
    # With a small share the live version's own requests tell, once there are enough.
    assert watches.breach(replace(beside, canary=Share(release(2), 10.0))) is None


def test_a_canary_that_scores_as_the_live_version_stays_and_one_that_does_not_goes() -> None:
    alike, apart = watch(), watch()
    for number, score in enumerate(np.random.default_rng(0).uniform(0.05, 0.95, 200)):
        compared(alike.comparison, number, score, score * 0.99)
        compared(apart.comparison, number, score, score / 3)
    assert alike.breach(50.0) is None
    assert str(apart.breach(50.0)).startswith("score drift: on the same 200 different inputs")


def test_a_canary_that_says_the_opposite_goes_though_its_scores_are_distributed_alike() -> None:
    opposite, undecided = watch(), watch()
    for number, score in enumerate(np.linspace(0.1, 0.9, 100)):
        compared(opposite.comparison, number, score, 1.0 - score)
        # Who is beside the threshold with the live version and against it changes little.
        compared(undecided.comparison, number, 0.495, 0.505)
    assert opposite.comparison.difference().distance == pytest.approx(0.0, abs=0.02)
    assert str(opposite.breach(50.0)).startswith(
        "score drift: on 100 of the same 100 different inputs it is on the other"
    )
    assert undecided.breach(50.0) is None


def test_one_input_that_is_sent_again_and_again_is_no_drift() -> None:
    canary = watch()
    for _ in range(200):
        compared(canary.comparison, 7, 0.2, 0.8)
    assert canary.comparison.difference().n == 1
    assert canary.breach(50.0) is None


def test_inputs_sent_again_make_no_difference_surer() -> None:
    once, often = Comparison(release(1), release(2)), Comparison(release(1), release(2))
    for times, comparison in ((1, once), (9, often)):
        for number, score in enumerate(np.random.default_rng(1).uniform(0.2, 0.8, 30)):
            for _ in range(times):
                compared(comparison, number, score, score + 0.1)
    assert often.difference() == once.difference()


def test_the_inputs_that_are_kept_are_the_last_ones() -> None:
    comparison = Comparison(release(1), release(2))
    for number in range(600):
        compared(comparison, number, 0.2, 0.2 if number >= 100 else 0.9)
    assert (comparison.difference().n, comparison.difference().largest) == (500, 0.0)


def test_a_difference_that_is_sure_but_tiny_is_no_drift() -> None:
    canary = watch()
    for number in range(200):
        compared(canary.comparison, number, 0.5, 0.50006)
    assert canary.comparison.difference().distance == 1.0
    assert canary.breach(50.0) is None


def test_a_few_errors_among_many_answers_are_allowed() -> None:
    canary = watch()
    for _ in range(100):
        canary.answered(2, 0.01)
    for _ in range(5):
        canary.failed()
    assert canary.breach(50.0) is None


def test_the_comparison_counts_who_changes_sides() -> None:
    comparison = Comparison(release(1), release(2))
    comparison.add(b"1", np.array([0.4], np.float32), np.array([0.6], np.float32))
    comparison.add(b"2", np.array([0.6, 0.8], np.float32), np.array([0.6, 0.8], np.float32))
    difference = comparison.difference()
    assert (difference.n, difference.flipped) == (2, 1)
    assert difference.largest == pytest.approx(0.2, abs=1e-6)
