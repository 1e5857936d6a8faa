"""How two versions differ: by what their servers say, and not by what a refused one's card claims."""

from __future__ import annotations

import shutil
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from telltale_gateway.errors import OrderRefused
from telltale_gateway.rollout import CatalogEntry, CatalogReader, Deployed, Diff, Overview, Readiness
from telltale_gateway.rollout.mirror import Mirror, ShadowLog
from telltale_gateway.rollout.proving import Proof
from telltale_gateway.rollout.store import RolloutStore, event
from telltale_gateway.rollout.usage import Usage
from telltale_gateway.serving import ModelCall

from tests.gateway.rollout.servers import ServerInMemory

pytestmark = pytest.mark.anyio


class Half(ServerInMemory):
    """Says half of what version 1's card says, whatever version is asked."""

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        await super().infer(call, batch)
        return (np.asarray(batch, np.float32) / 510).mean(axis=(1, 2, 3))


@pytest.fixture
def home(toy_repository: Path, tmp_path: Path) -> Path:
    """toy-face with a second version of the same bytes."""
    home = shutil.copytree(toy_repository, tmp_path / "model-repository") / "toy-face"
    place = shutil.copytree(home / "1", home / "2")
    card = yaml.safe_load((place / "card.yaml").read_text())
    (place / "card.yaml").write_text(yaml.safe_dump({**card, "version": 2}))
    return home


def read(home: Path) -> CatalogEntry:
    reader = CatalogReader(home.parent, settle_s=0.0)
    reader.read()
    return reader.read().entries[home.name]


async def diff(home: Path, loaded: AbstractSet[int]) -> Diff:
    """Versions 1 and 2, of which some are loaded."""
    entry = read(home)
    server: Any = Half()
    deployed = Deployed(entry.manifest, 1, entry.releases[1], server, Readiness(ready=True, reason=None))
    reconciler: Any = SimpleNamespace(
        proof=lambda _, version: Proof(passed=version in loaded),
        fleet=SimpleNamespace(detectors={"toy-face": deployed}),
    )
    traffic: Any = SimpleNamespace(watches=SimpleNamespace(of=lambda _: None))
    presence: Any = SimpleNamespace(gateway="a")
    overview = Overview(
        home.parent, reconciler, traffic, Mirror(Usage(), 1), ShadowLog(), presence=presence, timeout_s=1.0
    )
    return await overview.diff(entry, 1, 2)


async def test_what_is_loaded_is_asked_and_of_the_rest_the_card_counts(home: Path) -> None:
    cards, one, both = [await diff(home, loaded) for loaded in (set[int](), {2}, {1, 2})]
    assert cards.golden.mean_absolute == 0.0
    assert one.golden.mean == pytest.approx(-np.mean(read(home).releases[1].card.golden.scores) / 2, abs=1e-4)
    assert both.golden.mean_absolute == 0.0
    assert (cards.golden.n, one.golden.n) == (4, 4)


async def test_a_refused_version_has_no_scores_to_compare(home: Path) -> None:
    why = "toy-face answered NaN, which is not a probability"
    refused = event("refuse", 2, who="a", why=why, release=read(home).releases[2])
    RolloutStore(home.parent).change("toy-face", lambda rollout: rollout, refused)
    with pytest.raises(OrderRefused, match=r"toy-face 2 was refused.*NaN"):
        await diff(home, {1})
