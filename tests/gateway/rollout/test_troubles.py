"""Faults that nobody foresaw cost their own step and no other, and are seen until it goes well."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
import yaml
from telltale_gateway.rollout.fleet import Fleet
from telltale_gateway.rollout.troubles import Troubles
from telltale_gateway.serving import ModelCall, Signature

from tests.gateway.rollout.looping import looping
from tests.gateway.rollout.servers import ToyFaceInMemory

pytestmark = pytest.mark.anyio


async def failing(troubles: Troubles, subject: str, step: str, error: Exception) -> None:
    with troubles.confined(subject, step):
        raise error


async def test_a_fault_ends_its_step_and_is_found_until_that_step_goes_well(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    await failing(troubles, "toy", "a step", ValueError("oh"))
    await failing(troubles, "toy", "another", KeyError("no"))
    assert troubles.found == {
        "toy": "a step failed: ValueError; the log says where. another failed: KeyError; the log says where."
    }
    assert "ValueError" in str(troubles.over("toy", "a step"))
    with troubles.confined("toy", "a step"):
        """It goes well."""
    assert troubles.over("toy", "a step") is None
    assert troubles.found == {"toy": "another failed: KeyError; the log says where."}
    troubles.keep({"other"})
    assert troubles.found == {}
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


async def test_a_fault_that_stays_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for error in (ValueError("oh"), ValueError("oh"), KeyError("no")):
        await failing(troubles, "toy", "a step", error)
    assert len(caplog.records) == 2
    assert all(record.exc_info for record in caplog.records)


def test_what_is_wrong_with_a_folder_and_what_a_fault_ended_are_both_said() -> None:
    fleet = Fleet(
        unreadable={"toy": "It cannot be read."}, troubles={"toy": "A step failed.", "triton": "So did this."}
    )
    assert fleet.problems == {"toy": "It cannot be read. A step failed.", "triton": "So did this."}


class Odd(ToyFaceInMemory):
    """A server over which this gateway stumbles when it looks at one detector."""

    odd = True

    async def describe(self, call: ModelCall) -> Signature:
        if self.odd and call.model == "toy-odd":
            raise ZeroDivisionError
        return await super().describe(call)


async def test_a_fault_over_one_detector_leaves_the_others_and_is_in_health_until_it_is_over(
    toy_repository: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "model-repository"
    for name in ("toy-face", "toy-odd"):
        shutil.copytree(toy_repository / "toy-face", repository / name)
        for path in (repository / name / "detector.yaml", repository / name / "1/card.yaml"):
            key = "name" if path.name == "detector.yaml" else "detector"
            path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), key: name}))
    server = Odd()
    async with looping(repository, server) as gateway:
        await gateway.until(gateway.ready)
        await gateway.until(lambda: bool(gateway.loop.fleet.troubles))
        assert gateway.loop.fleet.problems == {
            "toy-odd": "its examination failed: ZeroDivisionError; the log says where."
        }
        assert (gateway.ready(), gateway.ready("toy-odd")) == (True, False)
        assert "ZeroDivisionError" in str(gateway.now("toy-odd").readiness.reason)
        server.odd = False
        await gateway.until(lambda: gateway.ready("toy-odd") and not gateway.loop.fleet.problems)


async def test_a_fault_in_a_round_does_not_end_the_loop(
    toy_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "model-repository"
    shutil.copytree(toy_repository / "toy-face", repository / "toy-face")
    async with looping(repository, ToyFaceInMemory()) as gateway:
        await gateway.until(gateway.ready)
        with monkeypatch.context() as patch:
            patch.setattr(gateway.reader, "read", lambda: 1 / 0)
            await gateway.until(lambda: "reading it failed" in str(gateway.loop.fleet.problems))
            assert gateway.ready()
        await gateway.until(lambda: not gateway.loop.fleet.problems)


async def test_a_gateway_whose_rounds_fail_is_still_heard(
    toy_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "model-repository"
    shutil.copytree(toy_repository / "toy-face", repository / "toy-face")
    async with looping(repository, ToyFaceInMemory()) as gateway:
        await gateway.until(gateway.ready)
        told: list[int] = []
        monkeypatch.setattr(gateway.loop._sources.presence, "tell", lambda _: told.append(1))
        monkeypatch.setattr(gateway.loop, "_abort_canaries", lambda: 1 / 0)
        await gateway.until(lambda: "a round failed" in str(gateway.loop.fleet.problems))
        told.clear()
        await gateway.until(lambda: len(told) > 2)
