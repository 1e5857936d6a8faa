"""A genuine face blended with itself: changed inside its box, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from telltale_contracts import FaceCrop, Waveform
from telltale_export.errors import DataError
from telltale_export.training.examples import read_examples
from telltale_export.training.forging import box_mask, forging_for, self_blended
from telltale_export.training.loop import Material
from telltale_export.training.plan import Plan
from telltale_export.training.recipe import train_network

from tests.export.training.test_training import ARCHITECTURE, KEY, write_shards


def test_a_mask_lies_in_the_box_of_the_face() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        mask = box_mask(96, 2.0, random)
        assert (mask.shape, mask.dtype) == ((96, 96), np.float32)
        assert 0.4 < mask.max() <= 1.0
        assert mask[:8].max() == mask[-8:].max() == mask[:, :8].max() == mask[:, -8:].max() == 0.0


def test_a_face_is_changed_where_the_mask_is() -> None:
    face = np.random.default_rng(1).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    kept = 0
    for seed in range(10):
        forged = self_blended(face, 2.0, np.random.default_rng(seed))
        assert (forged.shape, forged.dtype) == (face.shape, np.uint8)
        assert np.array_equal(forged, self_blended(face, 2.0, np.random.default_rng(seed)))
        assert np.abs(forged[40:56, 40:56].astype(int) - face[40:56, 40:56]).mean() > 1
        kept += np.array_equal(forged[:6], face[:6])
    # In the others the whole picture was given another camera, and a part of it was put back.
    assert 0 < kept < 10


def test_only_faces_are_blended_with_themselves(tmp_path: Path) -> None:
    assert forging_for(FaceCrop(size=64)) is not None
    assert forging_for(Waveform(samples=64_000)) is None
    plan = Plan.model_validate({"architecture": "aasist", "augmentation": {"self_blend": 0.5}})
    with pytest.raises(DataError, match="cannot be blended with itself"):
        train_network(plan, tmp_path, tmp_path / "out", lambda _: None)


@pytest.mark.parametrize(("forged", "blended"), [(0.0, 0), (0.5, 20), (1.0, 40)])
def test_so_many_fakes_are_blended_as_the_plan_says(forged: float, blended: int, tmp_path: Path) -> None:
    write_shards(tmp_path, lambda n: "calibration" if n % 4 == 0 else "training")
    parts = read_examples(tmp_path, KEY)
    material = Material(parts["training"], parts["calibration"], lambda item, _: item, forging_for(ARCHITECTURE.input))
    random = np.random.default_rng(0)
    fake = int(np.flatnonzero(parts["training"].fake)[0])
    # Of these shards only genuine faces have grain, and it is left where they are blended with themselves.
    grainy = [float(np.std(material.draw(fake, forged, random)[:6])) > 4 for _ in range(40)]
    assert sum(grainy) == pytest.approx(blended, abs=9 if 0 < forged < 1 else 0)
