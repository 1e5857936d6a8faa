from __future__ import annotations

import asyncio
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_contracts import TensorNames
from telltale_gateway.serving import Backend, BackendRefused, BackendUnavailable, ModelCall, infer_in_batches
from telltale_gateway.serving.backend import as_probabilities
from telltale_gateway.serving.slots import Slots

pytestmark = pytest.mark.anyio

CALL = ModelCall("toy", 1, TensorNames(input="x", probability="p"), 1.0)


class Recorder:
    """Answers each item's own value, or fails from a given batch on."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.sizes: list[int] = []
        self._fails_at = fails_at

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        self.sizes.append(batch.shape[0])
        if self._fails_at is not None and len(self.sizes) > self._fails_at:
            raise BackendUnavailable(f"{call.model} went away")
        return batch.astype(np.float32)


@pytest.mark.parametrize(("items", "sizes"), [(1, [1]), (4, [4]), (5, [3, 2]), (9, [3, 3, 3]), (12, [4, 4, 4])])
async def test_batches_fit_the_model_and_are_nearly_equal(items: int, sizes: list[int]) -> None:
    backend = Recorder()
    values = np.linspace(0, 1, items)
    scores = await infer_in_batches(cast("Backend", backend), CALL, values, max_batch=4)
    assert backend.sizes == sizes
    assert scores == pytest.approx(values)


async def test_one_failed_batch_fails_the_whole_and_keeps_its_name() -> None:
    with pytest.raises(BackendUnavailable, match="toy went away"):
        await infer_in_batches(cast("Backend", Recorder(fails_at=1)), CALL, np.zeros(12), max_batch=4)


async def test_batches_without_a_slot_are_counted_until_they_have_one_or_give_up() -> None:
    slots, done = Slots(2), asyncio.Event()

    async def batch() -> None:
        async with slots:
            await done.wait()

    batches = [asyncio.create_task(batch()) for _ in range(5)]
    await asyncio.sleep(0)
    assert slots.waiting == 3
    batches[-1].cancel()
    await asyncio.wait([batches[-1]])
    assert slots.waiting == 2
    done.set()
    await asyncio.wait(batches)
    assert slots.waiting == 0


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
async def test_probabilities_come_flat(shape: tuple[int, ...]) -> None:
    assert as_probabilities("toy", np.full(shape, 0.25, np.float32), 3).tolist() == [0.25] * 3


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (np.array([0.1, np.nan], np.float32), "not a probability"),
        (np.array([0.1, 1.2], np.float32), "not a probability"),
        (np.array([-0.1, 0.2], np.float32), "not a probability"),
        (np.array([0.1, 0.2, 0.3], np.float32), "for 2 items"),
        (np.zeros((2, 1, 1), np.float32), "for 2 items"),
        (np.array([b"fake", b"real"]), "not of floating point"),
        (np.array([1, 0]), "not of floating point"),
    ],
)
async def test_what_is_not_a_probability_is_never_used(answer: NDArray[np.generic], says: str) -> None:
    with pytest.raises(BackendRefused, match=says):
        as_probabilities("toy", answer, 2)
