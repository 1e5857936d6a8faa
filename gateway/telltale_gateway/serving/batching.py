"""Many items, one answer: batches no larger than the model takes, sent at the same time."""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray

from telltale_gateway.serving.backend import Backend, BackendError, ModelCall


async def infer_in_batches(
    backend: Backend, call: ModelCall, items: NDArray[np.generic], max_batch: int
) -> NDArray[np.float32]:
    """P(fake) of each item, float32 [N], in the order of the items.

    The batches are of nearly equal size, so that the last one is not a straggler of one item.

    Raises:
        BackendError: any batch failed; there are no partial scores.
    """
    count = -(-items.shape[0] // max_batch)
    batches = np.array_split(items, count)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(backend.infer(call, batch)) for batch in batches]
    except* BackendError as failures:
        raise _first(failures) from None
    return np.concatenate([task.result() for task in tasks])


def _first(group: BaseExceptionGroup[BackendError]) -> BackendError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, BackendError)  # noqa: S101 - except* let nothing else through
    return error
