"""What several gateways write into one repository: the desired state, the history, the lease, their presence."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from telltale_contracts import Rollout, TrafficShare
from telltale_gateway.rollout import Lease, Presence, Present, RolloutStore
from telltale_gateway.rollout.history import read_history
from telltale_gateway.rollout.store import event, made_live, revised, without


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    home = tmp_path / "toy"
    home.mkdir()
    (home / "rollout.yaml").write_text("live: 1\n")
    return home


def test_a_change_is_in_the_state_and_in_the_history(detector: Path) -> None:
    store = RolloutStore(detector.parent)
    done = event("promote", 2, who="ada", why="better").model_copy(update={"sha256": "a" * 64})
    after = store.change("toy", lambda rollout: made_live(rollout, 2), done)
    assert (after.live, after.previous) == (2, 1)
    assert Rollout.from_yaml(detector / "rollout.yaml") == after
    history = read_history(detector / "history.jsonl")
    assert list(history.events) == [done]
    assert (history.digest(2), history.last(2), history.last(1)) == ("a" * 64, done, None)


def test_changes_made_at_once_are_all_kept(detector: Path) -> None:
    def candidate(version: int) -> None:
        RolloutStore(detector.parent).change(
            "toy",
            lambda rollout: revised(rollout, candidates=(*rollout.candidates, version)),
            event("stage", version, who="ada", why="many at once"),
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(candidate, range(2, 34)))
    assert set(Rollout.from_yaml(detector / "rollout.yaml").candidates) == set(range(2, 34))
    assert len(read_history(detector / "history.jsonl").events) == 32


def test_what_cannot_be_done_leaves_everything_as_it_was(detector: Path) -> None:
    def contradiction(rollout: Rollout) -> Rollout:
        return revised(rollout, canary=TrafficShare(version=1, percent=5))

    with pytest.raises(ValueError, match="cannot be the canary beside itself"):
        RolloutStore(detector.parent).change("toy", contradiction, event("canary", 1, who="ada", why="oh"))
    assert (detector / "rollout.yaml").read_text() == "live: 1\n"
    assert not (detector / "history.jsonl").exists()


def test_a_version_without_a_part_has_none_of_them() -> None:
    share = TrafficShare(version=2, percent=5)
    assert without(Rollout(live=1, canary=share, candidates=(2, 3), next=2), 2) == Rollout(live=1, candidates=(3,))


def test_a_line_that_is_still_being_written_is_not_read(detector: Path) -> None:
    line = event("stage", 2, who="ada", why="x").to_line()
    (detector / "history.jsonl").write_text(line + line[:20])
    assert len(read_history(detector / "history.jsonl").events) == 1


def test_a_torn_line_costs_neither_the_next_one_nor_the_detector(
    detector: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history = detector / "history.jsonl"
    first, then = (event("stage", version, who="ada", why="line\u2028break") for version in (2, 3))
    history.write_text(first.to_line() + first.to_line()[:20])
    RolloutStore(detector.parent).change("toy", lambda rollout: rollout, then)
    assert list(read_history(history).events) == [first, then]
    assert "line 2 cannot be read" in caplog.text


def test_a_line_that_cannot_be_written_whole_changes_nothing(detector: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr("os.write", lambda descriptor, data: whole(descriptor, data[:20]))
    with pytest.raises(OSError, match="only 20 of"):
        RolloutStore(detector.parent).change(
            "toy", lambda rollout: made_live(rollout, 2), event("promote", 2, who="ada", why="x")
        )
    assert (detector / "rollout.yaml").read_text() == "live: 1\n"
    assert (detector / "history.jsonl").read_text() == ""


def test_a_state_that_cannot_be_written_leaves_no_line(detector: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("telltale_gateway.rollout.store._replace", full)
    with pytest.raises(OSError, match="no space"):
        RolloutStore(detector.parent).change(
            "toy", lambda rollout: made_live(rollout, 2), event("promote", 2, who="ada", why="x")
        )
    assert (detector / "history.jsonl").read_text() == ""


def test_only_one_gateway_has_the_lease_and_the_next_gets_it(tmp_path: Path) -> None:
    first, second = Lease(tmp_path), Lease(tmp_path)
    assert first.take()
    assert first.take()
    assert not second.take()
    first.give_back()
    assert second.take()
    assert not first.take()


def test_a_lease_leaves_nothing_behind_and_is_of_those_who_share_their_servers(tmp_path: Path) -> None:
    first, same = Lease(tmp_path, ["http://a:8000", "b:9000"]), Lease(tmp_path, ["b:9000", "http://a:8000"])
    other = Lease(tmp_path, ["http://c:8000", "b:9000"])
    assert first.take()
    assert not same.take()
    assert other.take()
    first.give_back()
    other.give_back()
    assert list((tmp_path / ".telltale").iterdir()) == []
    assert same.take()


def test_a_lease_ends_with_its_holder(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, telltale_gateway.rollout as r\n"
        "held = r.Lease(pathlib.Path(sys.argv[1]))\n"
        "print(held.take(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "True"
        mine = Lease(tmp_path)
        assert not mine.take()
        holder.kill()
        holder.wait()
        assert mine.take()


def test_a_lease_whose_file_was_removed_is_taken_anew(tmp_path: Path) -> None:
    first, second = Lease(tmp_path), Lease(tmp_path)
    assert first.take()
    (lease,) = (tmp_path / ".telltale").iterdir()
    lease.unlink()
    assert second.take()
    assert not first.take()


def test_gateways_know_what_the_others_use(tmp_path: Path) -> None:
    first, second = Presence(tmp_path, "a"), Presence(tmp_path, "b")
    told = Present("a", {"toy": 2}, {"toy": frozenset({1})}, {"toy": 3}, {}, "servers", heard={"toy": 4})
    first.tell(told)
    second.listen()
    assert second.uses("toy") == {1, 2}
    assert second.others == (told,)
    first.leave()
    second.listen()
    assert second.uses("toy") == frozenset()


def test_a_gateway_of_before_that_says_less_is_heard_all_the_same(tmp_path: Path) -> None:
    listening = Presence(tmp_path, "b")
    (tmp_path / ".telltale/gateways").mkdir(parents=True)
    (tmp_path / ".telltale/gateways/a.json").write_text('{"beat": 1, "answers": {"toy": 2}, "uses": {"toy": [2]}}')
    listening.listen()
    assert listening.others == (Present("a", {"toy": 2}, {"toy": frozenset({2})}),)
    assert listening.stands("servers", "toy") is None


def test_what_servers_are_to_keep_is_said_by_the_gateway_that_acts_on_them(tmp_path: Path) -> None:
    acting, elsewhere, listening = (Presence(tmp_path, name) for name in "acb")
    acting.tell(Present("a", {}, {}, stack="servers", stands={"toy": frozenset({1, 2})}))
    elsewhere.tell(Present("c", {}, {}, stack="others", stands={"toy": frozenset({3})}))
    listening.listen()
    assert listening.stands("servers", "toy") == {1, 2}
    assert listening.stands("servers", "new") is None
    # Another one takes over; the first one's file has not been removed yet.
    listening.tell(Present("b", {}, {}, stack="servers"))
    elsewhere.tell(Present("c", {}, {}, stack="servers", stands={"toy": frozenset({1})}))
    listening.listen()
    assert listening.stands("servers", "toy") == {1}


@pytest.mark.parametrize(
    "server", ["http://LOCALHOST:8000", "http://127.0.0.1:8000/", "http://[::1]:8000", "HTTP://localhost:8000"]
)
def test_gateways_that_spell_a_loopback_server_otherwise_share_its_lease(server: str) -> None:
    def stack(*servers: str) -> str:
        return Lease(Path(), servers).stack

    assert stack(server, "[::1]:9000") == stack("localhost:9000", "http://localhost:8000")
    assert stack(server) != stack("http://localhost:8001")
    assert stack("http://notlocalhost:8000") != stack("http://localhost:8000")
    assert stack("unix:/run/Triton") != stack("unix:/run/triton")
