"""What a server has read from disk is what its card says, or it does not answer."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_gateway.rollout import CatalogReader, Prover, releases
from telltale_gateway.rollout.loading import Loader, Need
from telltale_gateway.rollout.releases import Seal
from telltale_gateway.serving import BackendRefused, BackendTimeout, ModelCall, Served, Versions, Wanted

from tests.gateway.rollout.looping import looping
from tests.gateway.rollout.servers import ServerInMemory, ToyFaceInMemory

pytestmark = pytest.mark.anyio

OTHER = b"other bytes"


class FromDisk(ToyFaceInMemory):
    """Answers as toy-face by what each version's file was when it was last read, and the opposite where that is OTHER.

    ``before`` and ``after`` are called once, around the next reading. ``spoilt``: from that golden input on, the others
    being right, versions that are read again answer something else.
    """

    def __init__(self, repository: Path) -> None:
        super().__init__()
        self._repository = repository
        self.before: Callable[[], object] | None = None
        self.after: Callable[[], object] | None = None
        self.has: dict[int, bytes] = {}
        self.read: list[int] = []
        self.spoilt: int | None = None

    async def serve(self, wanted: Mapping[str, Wanted]) -> Served:
        served = await super().serve(wanted)
        for version in sorted(served.read.get("toy-face", ())):
            if self.before is not None:
                self.before = self.before() and None
            self.has[version] = (self._repository / "toy-face" / str(version) / "model.onnx").read_bytes()
            self.read.append(version)
        if served.read and self.after is not None:
            self.after = self.after() and None
        return served

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        scores = await super().infer(call, batch)
        if self.has[call.version] == OTHER:
            return 1.0 - scores
        if self.spoilt is not None and self.read.count(call.version) > 1:
            scores[self.spoilt :] = 1.0
        return scores


@pytest.fixture
def repository(toy_repository: Path, tmp_path: Path) -> Path:
    shutil.copytree(toy_repository / "toy-face", tmp_path / "model-repository/toy-face")
    return tmp_path / "model-repository"


def other_for_a_moment(graph: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    """Change a file, and put it back with the times that it had."""
    whole, times = graph.read_bytes(), graph.stat()

    def put_back() -> None:
        graph.write_bytes(whole)
        os.utime(graph, ns=(times.st_atime_ns, times.st_mtime_ns))

    def change() -> None:
        graph.write_bytes(OTHER)
        os.utime(graph, ns=(times.st_atime_ns, times.st_mtime_ns))

    return change, put_back


async def test_what_was_other_while_it_was_loaded_is_loaded_again_before_it_answers(repository: Path) -> None:
    server = FromDisk(repository)
    async with looping(repository, server) as gateway:
        await gateway.until(gateway.ready)
        place = gateway.put(2)
        server.before, server.after = other_for_a_moment(place / "model.onnx")
        await gateway.until(lambda: server.read.count(2) == 2)
        await gateway.until(lambda: gateway.passed(2))
        assert server.has[2] != OTHER
        # What was in doubt was never asked: the second reading was the first to be proven.
        assert gateway.now().version == 1


async def test_a_live_version_that_was_other_while_it_was_read_again_does_not_answer_until_it_is_put_back(
    repository: Path,
) -> None:
    server = FromDisk(repository)
    async with looping(repository, server) as gateway:
        await gateway.until(gateway.ready)
        server.before, put_back = other_for_a_moment(repository / "toy-face/1/model.onnx")
        gateway.put(2)
        await gateway.until(lambda: not gateway.ready())
        assert server.has[1] == OTHER
        await gateway.rounds(3)
        assert not gateway.ready()
        assert "1" in str(gateway.now().readiness.reason)
        put_back()
        await gateway.until(gateway.ready)
        assert (gateway.now().version, server.has[1] == OTHER) == (1, False)


async def test_that_nobody_knows_what_a_server_has_is_said_as_the_reason(repository: Path) -> None:
    server = FromDisk(repository)
    async with looping(repository, server) as gateway:
        await gateway.until(gateway.ready)
        change, put_back = other_for_a_moment(repository / "toy-face/1/model.onnx")
        server.before, server.after = change, put_back
        said: set[str | None] = set()

        def again() -> bool:
            said.add(gateway.now().readiness.reason)
            return server.read.count(1) > 2 and gateway.ready()

        gateway.put(2)
        await gateway.until(again)
        assert any("nobody knows what its server has read: model.onnx was just changed" in str(why) for why in said)


async def test_a_live_version_gives_all_its_golden_scores_again_after_each_load(repository: Path) -> None:
    server = FromDisk(repository)
    async with looping(repository, server, probe_interval_s=3600.0) as gateway:
        await gateway.until(gateway.ready)
        server.spoilt = 1
        gateway.put(2)
        await gateway.until(lambda: not gateway.ready())
        assert "golden score" in str(gateway.now().readiness.reason)


class Held(ToyFaceInMemory):
    """Answers when ``free`` is set, and says how many items it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded = {"toy-face": frozenset({1})}
        self.asked_for: list[int] = []

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        self.asked_for.append(len(batch))
        await self.free.wait()
        return await super().infer(call, batch)


async def test_a_look_that_was_on_its_way_when_a_version_was_read_again_is_not_enough(repository: Path) -> None:
    entry = CatalogReader(repository, 0.0, 20.0).read().entries["toy-face"]
    release, server, prover = entry.releases[1], Held(), Prover(1.0)
    assert (await prover.examine(server, entry.manifest, release, None)).passed
    server.asked_for.clear()
    server.free.clear()
    look = asyncio.create_task(prover.examine(server, entry.manifest, release, None))
    while not server.asked_for:  # noqa: ASYNC110 it has no event for that
        await asyncio.sleep(0)
    prover.was_read("toy-face", 1)
    server.free.set()
    assert (await look).reread
    again = await prover.examine(server, entry.manifest, release, None)
    assert (again.passed, again.reread) == (True, False)
    assert sum(server.asked_for[1:]) == len(release.golden)


class Late(ServerInMemory):
    """Does not say in time what became of its first load."""

    async def serve(self, wanted: Mapping[str, Wanted]) -> Served:
        await super().serve(wanted)
        if len(self.told) == 1:
            raise BackendTimeout("it takes long")
        return Served()


async def test_a_load_that_took_too_long_is_held_against_the_files_of_its_beginning(repository: Path) -> None:
    reader = CatalogReader(repository, 0.0, 20.0)
    entry = reader.read().entries["toy-face"]
    loader = Loader(Late(), 0.0)
    with pytest.raises(BackendTimeout):
        await loader.load({"toy-face": Need((1,), seals=reader.compared(entry, (1,)).seals)}, 1.0)
    change, put_back = other_for_a_moment(repository / "toy-face/1/model.onnx")
    change()
    put_back()
    entry = reader.read().entries["toy-face"]
    assert 1 in entry.releases
    await loader.load({"toy-face": Need((1,), seals=reader.compared(entry, (1,)).seals)}, 1.0)
    assert (loader.holds("toy-face"), set(loader.doubts("toy-face"))) == (frozenset(), {1})


class Meddling(ServerInMemory):
    """Somebody meddles with a file while it is loaded afresh."""

    meddle: Callable[[], None]

    async def revive(self, model: str, versions: Versions) -> None:  # noqa: ARG002
        self.meddle()


async def test_what_is_loaded_afresh_is_held_against_its_files_as_well(repository: Path) -> None:
    reader, server = CatalogReader(repository, 0.0, 20.0), Meddling()
    need = Need((1,), seals=reader.compared(reader.read().entries["toy-face"], (1,)).seals)
    loader = Loader(server, 0.0)
    await loader.load({"toy-face": need}, 1.0)
    assert loader.holds("toy-face") == {1}
    server.meddle, _ = other_for_a_moment(repository / "toy-face/1/model.onnx")
    with pytest.raises(BackendRefused, match="nobody knows what its server has read"):
        await loader.revive(server, "toy-face", need)
    assert (loader.holds("toy-face"), set(loader.doubts("toy-face"))) == (frozenset(), {1})


def sealed(repository: Path) -> Seal:
    reader = CatalogReader(repository, 0.0, 20.0)
    return reader.compared(reader.read().entries["toy-face"], (1,)).seals[1]


def test_files_that_are_as_they_were_keep_the_seal(repository: Path) -> None:
    assert sealed(repository).broken() is None


@pytest.mark.parametrize("name", ["model.onnx", "card.yaml", "golden.safetensors"])
def test_other_bytes_break_the_seal_though_the_file_system_says_nothing_of_it(
    repository: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = sealed(repository)
    path = repository / "toy-face/1" / name
    path.write_bytes(path.read_bytes() + b"# more\n")
    monkeypatch.setattr(releases, "footprint", lambda _: seal.files)
    assert name in str(seal.broken())


def test_a_folder_that_is_gone_breaks_the_seal(repository: Path) -> None:
    seal = sealed(repository)
    shutil.rmtree(repository / "toy-face/1")
    assert seal.broken() is not None


async def test_a_folder_that_is_moved_away_and_back_costs_no_answer_and_no_load(repository: Path) -> None:
    server = FromDisk(repository)
    async with looping(repository, server, linger_s=0.5) as gateway:
        gateway.put(2)
        await gateway.until(lambda: gateway.ready() and gateway.passed(2))
        (repository / "toy-face/rollout.yaml").write_text("live: 2\nprevious: 1\n")
        await gateway.until(lambda: gateway.now().version == 2)
        # The one before would be unloaded meanwhile, and nothing can be read to load the other alone.
        away = (repository / "toy-face").rename(repository.parent / "away")
        await gateway.until(lambda: gateway.loop.deployed("toy-face") is None)
        reads = list(server.read)
        over = time.monotonic() + 0.6
        await gateway.until(lambda: time.monotonic() > over)
        assert server.read == reads
        away.rename(repository / "toy-face")
        await gateway.until(lambda: gateway.loop.deployed("toy-face") is not None)
        assert (gateway.now().version, gateway.ready(), 2 in server.loaded["toy-face"]) == (2, True, True)
