"""What a server is told: never less than is needed, one new version at a time, replicas as one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np
import pytest
from telltale_contracts import TensorNames
from telltale_gateway.rollout.loading import Loader, Need
from telltale_gateway.serving import (
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
    ModelCall,
    Replicas,
    Served,
    TensorFlowServing,
    Triton,
    Wanted,
)
from telltale_gateway.serving.triton_control import in_one_line
from telltale_tfserving import ModelVersionStatus

from tests.gateway.rollout.servers import ServerInMemory

pytestmark = pytest.mark.anyio

CALL = ModelCall("toy", 1, TensorNames(input="x", probability="p"), 1.0)
BATCH = np.zeros((2, 4), np.float32)


async def settle(loader: Loader, needs: dict[str, Need], rounds: int = 5) -> None:
    for _ in range(rounds):
        await loader.load(needs, 1.0)


async def test_new_versions_are_added_one_at_a_time_the_most_important_first() -> None:
    server = ServerInMemory()
    await settle(Loader(server, 0.0), {"toy": Need((3, 1, 2))})
    assert [set(told["toy"].versions) for told in server.told[:3]] == [{3}, {3, 1}, {3, 1, 2}]


async def test_one_that_cannot_be_loaded_is_named_and_keeps_out_nobody() -> None:
    server = ServerInMemory(bad=[2])
    loader = Loader(server, 0.0)
    needs = {"toy": Need((1, 2, 3)), "other": Need((1,))}
    await settle(loader, needs)
    assert server.loaded == {"toy": {1, 3}, "other": {1}}
    assert "[2]" in str(loader.failure("toy", 2))
    assert loader.complete(needs)
    await settle(loader, {"toy": Need((1, 3))})
    assert loader.failure("toy", 2) is None


async def test_a_gateway_that_takes_over_unloads_nothing_that_is_needed() -> None:
    server = ServerInMemory()
    server.loaded = {"toy": frozenset({1, 2})}
    await Loader(server, 0.0).load({"toy": Need((1, 2, 3))}, 1.0)
    assert server.told[0]["toy"].versions == {1, 2, 3}


async def test_a_version_lingers_after_its_last_use_and_goes_then() -> None:
    server, brief = ServerInMemory(), ServerInMemory()
    patient, impatient = Loader(server, 60.0), Loader(brief, 0.0)
    for loader in (patient, impatient):
        await settle(loader, {"toy": Need((1, 2))})
        await settle(loader, {"toy": Need((2,))})
    assert (server.loaded["toy"], brief.loaded["toy"]) == ({1, 2}, {2})


async def test_a_version_stands_only_while_nothing_is_on_its_way_that_unloads_it() -> None:
    server = ServerInMemory()
    loader = Loader(server, 0.0)
    await settle(loader, {"toy": Need((1, 2))})
    assert loader.stands("toy") == {1, 2}
    server.free.clear()
    await loader.load({"toy": Need((1,))}, 0.01)
    # It is wanted back while it goes: what answers now is not what will.
    await loader.load({"toy": Need((2, 1))}, 0.01)
    assert (loader.holds("toy"), loader.stands("toy")) == ({1, 2}, {1})
    server.free.set()
    await loader.load({"toy": Need((2, 1))}, 1.0)
    assert loader.stands("toy") == {1}
    await loader.load({"toy": Need((2, 1))}, 1.0)
    assert loader.stands("toy") == {1, 2}


async def test_a_server_that_goes_away_or_takes_too_long_is_no_fault_of_a_version() -> None:
    server = ServerInMemory()
    loader = Loader(server, 0.0)
    for trouble in (BackendUnavailable("it is away"), BackendTimeout("it takes long")):
        server.trouble = trouble
        with pytest.raises(type(trouble)):
            await loader.load({"toy": Need((1,))}, 1.0)
        assert loader.failure("toy", 1) is None
    server.trouble = None
    await settle(loader, {"toy": Need((1,))})
    assert loader.holds("toy") == {1}


async def test_labels_name_only_what_is_loaded() -> None:
    server = ServerInMemory(bad=[2])
    await settle(Loader(server, 0.0), {"toy": Need((1, 2), {"stable": 1, "canary": 2})})
    assert server.told[-1]["toy"] == Wanted(frozenset({1}), {"stable": 1})


async def test_a_call_that_one_replica_cannot_answer_is_made_on_the_other() -> None:
    first, second, retried = ServerInMemory(), ServerInMemory(), []
    replicas = Replicas([first, second], retried.append)
    for broken in (first, second):
        broken.away = True
        for _ in range(6):
            assert (await replicas.infer(CALL, BATCH)).shape == (2,)
        broken.away = False
    assert set(retried) == {"triton"}
    assert await replicas.alive()


async def test_replicas_load_one_after_the_other_and_calls_go_to_the_one_that_does_not_load() -> None:
    first, second = ServerInMemory(), ServerInMemory()
    replicas = Replicas([first, second], lambda _: None)
    first.free.clear()
    second.free.clear()
    loading = asyncio.create_task(replicas.serve({"toy": Wanted(frozenset({1}))}))
    for busy, other in ((first, second), (second, first)):
        while not busy.told:  # noqa: ASYNC110 it has no event for that
            await asyncio.sleep(0)
        for _ in range(4):
            await replicas.infer(CALL, BATCH)
        assert len(other.asked) == 4
        busy.free.set()
    assert (await loading).failures == {}
    assert (first.loaded, second.loaded) == ({"toy": {1}}, {"toy": {1}})


async def test_a_replica_that_loads_for_long_is_not_waited_for_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_gateway.serving.replicas._HEAD_START_S", 0.01)
    hung, well = ServerInMemory(), ServerInMemory()
    hung.free.clear()
    loading = asyncio.create_task(Replicas([hung, well], lambda _: None).serve({"toy": Wanted(frozenset({1}))}))
    while not well.loaded:  # noqa: ASYNC110 it has no event for that
        await asyncio.sleep(0.01)
    hung.free.set()
    assert (await loading).failures == {}


async def test_what_goes_wrong_with_one_replica_is_said_once_the_others_were_told() -> None:
    dead, away, well = ServerInMemory(), ServerInMemory(), ServerInMemory()
    away.away = True
    dead.trouble = BackendRefused("it does not do that")
    with pytest.raises(BackendRefused):
        await Replicas([away, dead, well], lambda _: None).serve({"toy": Wanted(frozenset({1}))})
    assert well.loaded == {"toy": {1}}
    served = await Replicas([away, well], lambda _: None).serve({"toy": Wanted(frozenset({1, 2}))})
    assert served == Served({}, {"toy": frozenset({1, 2})})


async def test_when_no_replica_can_answer_that_is_said() -> None:
    first, second = ServerInMemory(failing=[1]), ServerInMemory(failing=[1])
    with pytest.raises(BackendRefused):
        await Replicas([first, second], lambda _: None).infer(CALL, BATCH)
    first.away = second.away = True
    with pytest.raises(BackendUnavailable):
        await Replicas([first, second], lambda _: None).ready("toy", 1)


async def test_a_version_is_ready_once_every_replica_that_can_be_reached_has_it() -> None:
    first, second = ServerInMemory(), ServerInMemory()
    replicas = Replicas([first, second], lambda _: None)
    first.loaded = {"toy": frozenset({1})}
    assert not await replicas.ready("toy", 1)
    second.away = True
    assert await replicas.ready("toy", 1)


async def test_nothing_is_loaded_beside_a_version_whose_files_have_changed(caplog: pytest.LogCaptureFixture) -> None:
    server = ServerInMemory()
    loader = Loader(server, 0.0)
    await settle(loader, {"toy": Need((1,))})
    needs = {"toy": Need((1, 2), changed={1: "model.onnx is another"}), "other": Need((1,))}
    await settle(loader, needs)
    assert server.loaded == {"toy": {1}, "other": {1}}
    assert all(told["toy"].versions == {1} for told in server.told)
    assert "model.onnx is another" in str(loader.held_up("toy"))
    assert "Put these files back" in str(loader.held_up("toy"))
    assert (loader.failure("toy", 2), loader.complete(needs)) == (None, True)
    assert len([record for record in caplog.records if "model.onnx" in record.message]) == 1
    # One that is on its way out is read anew by a load as well.
    await settle(loader, {"toy": Need((1, 2))})
    await settle(loader, {"toy": Need((1,), changed={1: "changed"})})
    assert server.loaded["toy"] == {1, 2}
    await settle(loader, {"toy": Need((2,), changed={1: "changed"})})
    assert (server.loaded["toy"], loader.held_up("toy")) == ({2}, None)


async def test_a_changed_version_that_its_server_lost_is_not_read_from_the_other_files() -> None:
    server = ServerInMemory()
    loader = Loader(server, 0.0)
    await settle(loader, {"toy": Need((1,))})
    server.loaded = {}
    server.told.clear()
    await settle(loader, {"toy": Need((2,), changed={1: "changed"})})
    assert server.loaded == {"toy": {2}}
    assert all(told["toy"].versions == {2} for told in server.told)


@pytest.mark.parametrize("there", [True, False])
async def test_a_gateway_that_takes_over_keeps_a_changed_version_where_it_is_found(there: bool) -> None:
    server = ServerInMemory()
    server.loaded = {"toy": frozenset({1})} if there else {}
    await settle(Loader(server, 0.0), {"toy": Need((1, 2), changed={1: "changed"})})
    assert server.loaded == {"toy": {1} if there else {2}}
    assert all(1 not in told["toy"].versions or there for told in server.told)


async def test_of_a_detector_that_is_gone_all_stays_until_nothing_of_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = ServerInMemory()
    loader = Loader(server, 0.0)
    await settle(loader, {"toy": Need((1, 2))})
    gone = Need((2,), changed={1: "gone", 2: "gone"}, gone=True)
    await settle(loader, {"toy": gone})
    assert (server.told[-1]["toy"], loader.held_up("toy")) == (
        Wanted(frozenset({1, 2}), changed=frozenset({1, 2})),
        None,
    )
    gone = replace(gone, versions=())
    await settle(loader, {"toy": gone})
    assert server.loaded == {"toy": {1, 2}}
    monkeypatch.setattr("telltale_gateway.rollout.loading.RETURN_S", 0.0)
    await settle(loader, {"toy": gone})
    assert server.loaded == {}


async def test_a_refusal_is_not_remembered_of_files_that_were_not_there(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    triton = Configured(set())
    triton._repository = tmp_path
    wanted = {"toy": Wanted(frozenset({1}))}
    assert "cannot be read: No such file or directory" in (await triton.serve(wanted)).failures["toy"]
    (tmp_path / "toy/config.pbtxt").write_text("")
    assert (await triton.serve(wanted)).failures == {}
    await triton.close()


async def test_a_server_that_loads_each_version_alone_loads_beside_a_changed_one() -> None:
    server = ServerInMemory()
    server.loads_together = False
    loader = Loader(server, 0.0)
    await settle(loader, {"toy": Need((1,))})
    await settle(loader, {"toy": Need((1, 2), changed={1: "changed"})})
    assert server.loaded == {"toy": {1, 2}}
    assert server.told[-1]["toy"].changed == {1}


class Told(Triton):
    """A Triton that has what it is given, and writes down what it was told to load."""

    def __init__(self, there: set[int]) -> None:
        super().__init__("http://127.0.0.1:1", repository=Path(), load_timeout_s=1.0, slots=1)
        self.there, self.loads = there, list[frozenset[int]]()

    async def ready(self, model: str, version: int) -> bool:  # noqa: ARG002
        return version in self.there

    async def _load(self, model: str, versions: frozenset[int]) -> None:  # noqa: ARG002
        self.loads.append(versions)
        self.there = set(versions)

    async def _unload_others(self, wanted: frozenset[str]) -> None:
        """There are none."""


class Configured(Told):
    """One that reads the model's configuration before."""

    async def _load(self, model: str, versions: frozenset[int]) -> None:
        self._config(model, versions)
        await super()._load(model, versions)


async def test_triton_is_never_told_to_load_a_version_whose_files_have_changed() -> None:
    changed = {"toy": Wanted(frozenset({1, 2}), changed=frozenset({1}))}
    # One gateway took over from another: the server has both, and this one never told it.
    triton = Told({1, 2})
    assert await triton.serve(changed) == Served()
    assert triton.loads == []
    # The server was started anew: the changed one is gone for good.
    triton.there = set()
    assert await triton.serve(changed) == Served(read={"toy": frozenset({1, 2})})
    assert triton.loads == [{2}]
    await triton.close()


async def test_a_configuration_that_is_no_text_costs_its_own_model_alone(tmp_path: Path) -> None:
    for model, text in (("bad", "# caf\xe9\n"), ("good", "")):
        (tmp_path / model).mkdir()
        (tmp_path / model / "config.pbtxt").write_text(text, encoding="latin-1")
    triton = Configured(set())
    triton._repository = tmp_path
    failures = (await triton.serve({name: Wanted(frozenset({1})) for name in ("bad", "good")})).failures
    assert failures.keys() == {"bad"}
    assert "config.pbtxt of bad cannot be read" in failures["bad"]
    assert triton.loads == [{1}]
    await triton.close()


class Stumbling(ServerInMemory):
    """A backend with a fault of its own over one model."""

    async def serve(self, wanted: Mapping[str, Wanted]) -> Served:
        if "odd" in wanted:
            raise ValueError("Value out of range")
        return await super().serve(wanted)


async def test_a_fault_of_the_gateways_own_over_one_detector_costs_no_other() -> None:
    server = Stumbling()
    loader = Loader(server, 0.0)
    needs = {"good": Need((1,)), "odd": Need((1,)), "other": Need((1, 2))}
    await settle(loader, needs, rounds=8)
    assert server.loaded == {"good": {1}, "other": {1, 2}}
    assert "Value out of range" in str(loader.failure("odd", 1))
    assert (loader.failure("good", 1), loader.failure("other", 2)) == (None, None)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "load failed: Internal: /srv/models/toy/6/model.onnx cannot be opened: no operator\n\nAt:\n  /b/c.py(1)\n",
            "load failed: Internal: model.onnx cannot be opened: no operator",
        ),
        ("\n  see http://host/a/b or 1/2\n", "see http://host/a/b or 1/2"),
        ("", "it gave no reason"),
    ],
)
def test_what_a_server_says_is_told_in_one_line_without_its_folders(said: str, told: str) -> None:
    assert in_one_line(said) == told


class Slow(Told):
    """It cannot load one version of one model in time."""

    def __init__(self) -> None:
        super().__init__(set())
        self.has: dict[str, frozenset[int]] = {}
        self.tried: list[tuple[str, frozenset[int]]] = []

    async def ready(self, model: str, version: int) -> bool:
        return version in self.has.get(model, frozenset())

    async def _load(self, model: str, versions: frozenset[int]) -> None:
        self.tried.append((model, versions))
        if model == "a" and 2 in versions:
            raise BackendTimeout("a 2 takes long")
        self.has[model] = versions


async def test_a_version_that_takes_too_long_to_load_holds_up_no_other_and_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    triton = Slow()
    loader = Loader(triton, 0.0)
    needs = {"a": Need((1, 2)), "b": Need((1, 2))}
    await settle(loader, needs)
    assert triton.has == {"a": {1}, "b": {1, 2}}
    assert triton.tried.count(("a", frozenset({1, 2}))) == 1
    assert (loader.holds("a"), loader.failure("a", 2)) == ({1}, "a 2 takes long")
    # It may have been the server's doing: no reason to refuse the version for good.
    assert (loader.refusal("a", 2), loader.complete(needs)) == (None, True)
    monkeypatch.setattr("telltale_gateway.rollout.loading.time.monotonic", lambda now=time.monotonic: now() + 60.0)
    await settle(loader, needs, rounds=1)
    assert triton.tried.count(("a", frozenset({1, 2}))) == 2
    await triton.close()


async def test_a_server_that_answers_nothing_is_slow_over_no_version() -> None:
    triton = Slow()

    async def hangs(*_: object) -> bool:
        raise BackendTimeout("it does not answer")

    triton.ready = hangs  # type: ignore[method-assign]
    with pytest.raises(BackendTimeout):
        await triton.serve({"a": Wanted(frozenset({2}))})
    await triton.close()


class SlowServing(TensorFlowServing):
    """Has what it was configured with at once, but one version, which it goes on loading."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1:1", model_root=PurePath("/"), load_timeout_s=0.01, slots=1)
        self.has: dict[str, Wanted] = {}

    async def _configure(self, wanted: Mapping[str, Wanted]) -> None:
        self.has = dict(wanted)

    async def _status(self, model: str, version: int) -> ModelVersionStatus | None:
        if model not in self.has or version not in self.has[model].versions:
            return None
        slow = (model, version) == ("a", 2)
        state = ModelVersionStatus.LOADING if slow else ModelVersionStatus.AVAILABLE
        return ModelVersionStatus(version=version, state=state)


async def test_tensorflow_serving_goes_on_without_a_version_that_takes_too_long() -> None:
    server = SlowServing()
    loader = Loader(server, 0.0)
    needs = {"a": Need((1, 2), {"stable": 1}), "b": Need((1, 2), {"stable": 1, "canary": 2})}
    await settle(loader, needs)
    assert server.has == {
        "a": Wanted(frozenset({1}), {"stable": 1}),
        "b": Wanted(frozenset({1, 2}), {"stable": 1, "canary": 2}),
    }
    assert "did not load a 2 within" in str(loader.failure("a", 2))
    assert (loader.refusal("a", 2), loader.complete(needs)) == (None, True)
    await server.close()
