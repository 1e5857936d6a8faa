"""One item is fetched while another is worked on, and no more than one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from telltale_preprocess.ahead import ahead, in_batches


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_the_items_come_in_order_and_one_ahead(executor: ThreadPoolExecutor) -> None:
    fetched: list[int] = []
    third = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(5):
            fetched.append(number)
            if number == 2:
                third.set()
            yield number

    items = ahead(numbers(), executor)
    assert next(items) == 0
    assert next(items) == 1
    assert third.wait(10.0)
    executor.submit(int).result()
    assert fetched == [0, 1, 2]
    assert list(items) == [2, 3, 4]


def test_what_fetching_raises_comes_at_its_turn(executor: ThreadPoolExecutor) -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise OSError("no more")

    items = ahead(numbers(), executor)
    assert next(items) == 1
    with pytest.raises(OSError, match="no more"):
        next(items)


def test_after_closing_nothing_is_fetched(executor: ThreadPoolExecutor) -> None:
    fetched: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            fetched.append(number)
            yield number

    with closing(ahead(numbers(), executor)) as items:
        next(items)
    seen = len(fetched)
    executor.submit(int).result()
    assert len(fetched) == seen <= 2


def test_batches_hold_everything_once_and_fetch_no_more_than_they_hold() -> None:
    numbers = iter(range(7))
    batches = in_batches(numbers, 3)
    assert next(batches) == [0, 1, 2]
    assert next(numbers) == 3
    assert list(batches) == [[4, 5, 6]]
    assert list(in_batches(iter(range(4)), 3)) == [[0, 1, 2], [3]]
