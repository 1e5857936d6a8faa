"""Keras networks are trained as torch's are: what is interrupted goes on, and what comes out is served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from telltale_contracts import FaceCrop
from telltale_export.architectures import find_architecture
from telltale_export.checkpoints import load_keras, read_checkpoint
from telltale_export.conversion.convert import Conversion, convert
from telltale_export.training.plan import Plan
from telltale_export.training.recipe import train_network

from tests.export.training.test_training import write_shards

ARCHITECTURE = find_architecture("meso4").at_reduced_width()
PLAN = Plan(architecture="meso4", small=True, epochs=2, batch=8, learning_rate=5e-3, average=0.5)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quarter for calibration."""
    assert isinstance(ARCHITECTURE.input, FaceCrop)
    folder = tmp_path_factory.mktemp("shards")
    return write_shards(folder, lambda n: "calibration" if n % 4 == 0 else "training", spec=ARCHITECTURE.input)


def test_an_interrupted_training_ends_like_one_that_was_not_and_is_published(shards: Path, tmp_path: Path) -> None:
    whole = train_network(PLAN, shards, tmp_path / "whole", lambda _: None)

    def interrupt(line: str) -> None:
        if line.startswith("epoch 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_network(PLAN, shards, tmp_path / "resumed", interrupt)
    resumed = train_network(PLAN, shards, tmp_path / "resumed", lambda _: None)

    first, second = ([epoch.model_dump() for epoch in run.history] for run in (whole, resumed))
    assert [list(epoch.values()) for epoch in first] == [
        pytest.approx(list(epoch.values()), rel=1e-5) for epoch in second
    ]
    ended, again = (
        load_keras(ARCHITECTURE, read_checkpoint(run.checkpoint)).network.get_weights() for run in (whole, resumed)
    )
    assert all(np.allclose(one, other, rtol=1e-4, atol=1e-6) for one, other in zip(ended, again, strict=True))
    converted = convert(Conversion(ARCHITECTURE, whole.checkpoint, tmp_path / "models", "grain"))
    assert (converted.folder / "saved_model.pb").is_file()


def test_the_loss_falls_where_the_classes_differ(shards: Path, tmp_path: Path) -> None:
    plan = PLAN.model_copy(update={"epochs": 6, "early_stopping": None, "balance": "weights"})
    history = train_network(plan, shards, tmp_path, lambda _: None).history
    assert history[-1].training_loss < 0.8 * history[0].training_loss
