"""Every tensor has its place, or every one that has not is named."""

from __future__ import annotations

import re

import numpy as np
import pytest
from telltale_export.checkpoints import match
from telltale_export.errors import CheckpointError

WANTED = {"stem.weight": (2, 3), "stem.bias": (2,), "bn.num_batches_tracked": ()}
STATE = {"stem.weight": np.ones((2, 3)), "stem.bias": np.zeros(2), "bn.num_batches_tracked": np.array(5)}


def _match(state: dict[str, np.ndarray], wanted: dict[str, tuple[int, ...]] = WANTED) -> set[str]:
    counters = {key for key in wanted if key.endswith(".num_batches_tracked")}
    return set(match(state, wanted, integers=counters, file="w.pth", architecture="toy"))


def test_a_checkpoint_that_fits_is_taken_whole() -> None:
    assert _match(STATE) == set(WANTED)


def test_counters_of_batch_norm_may_be_missing() -> None:
    assert _match({key: value for key, value in STATE.items() if "num_batches" not in key}) == set(WANTED) - {
        "bn.num_batches_tracked"
    }


def test_a_component_before_all_keys_comes_off_or_is_put_there() -> None:
    assert _match({f"model.{key}": value for key, value in STATE.items()}) == set(WANTED)
    assert _match(STATE, {f"model.{key}": shape for key, shape in WANTED.items()}) == {f"model.{key}" for key in WANTED}


def test_every_key_that_does_not_fit_is_named() -> None:
    state = {"stem.weight": np.ones((3, 2)), "head.weight": np.ones(1), "head.bias": np.ones(1)}

    with pytest.raises(CheckpointError) as raised:
        _match(state)

    said = str(raised.value)
    assert "w.pth is no checkpoint of toy" in said
    assert re.search(r"missing: stem\.bias$", said, re.MULTILINE)
    assert re.search(r"unexpected: head\.weight, head\.bias$", said, re.MULTILINE)
    assert re.search(r"of another shape: stem\.weight is \[3, 2\] instead of \[2, 3\]$", said, re.MULTILINE)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.bool_])
def test_whole_numbers_are_no_weights(kind: type[np.generic]) -> None:
    state = {**STATE, "stem.weight": np.ones((2, 3), kind)}

    with pytest.raises(CheckpointError, match=rf"stem\.weight is {np.dtype(kind)} instead of floating point"):
        _match(state)
