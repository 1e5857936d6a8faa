"""A data set goes through the real preprocessing once, whatever interrupts it, and what is skipped is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from telltale_contracts import FaceCrop, Recipe
from telltale_export.__main__ import main
from telltale_export.errors import DataError
from telltale_export.extraction.shards import read_contents, read_items, shards_in

from tests.client.canned import canned, problem
from tests.export.preprocessing import running_service

PORTRAIT = Path(__file__).parents[3] / ".cache/assets/astronaut.png"
SPEC = FaceCrop(size=64, margin=1.1)
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """A preprocess-service of its own, gone afterwards."""
    with running_service() as url:
        yield url


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three portraits of each class, a picture of nobody, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("set")
    portrait = cv2.imread(str(PORTRAIT))
    for label, step in (("real", 10), ("fake", -10)):
        (folder / label).mkdir()
        for number in range(3):
            bright = cv2.convertScaleAbs(portrait, alpha=1, beta=step * (number + 1))
            assert cv2.imwrite(str(folder / label / f"{label}-{number}.png"), bright)
    assert cv2.imwrite(str(folder / "real/nobody.png"), np.full((200, 200, 3), 90, np.uint8))
    (folder / "fake/torn.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One crop of each face."""
    path = tmp_path_factory.mktemp("recipe") / "recipe.json"
    path.write_text(Recipe(inputs=(SPEC,)).model_dump_json())
    return path


def extract(data: Path, recipe: Path, to: Path, service: str, shard_size: int = 3) -> int:
    """Run the command."""
    arguments = ["extract", "--data", str(data), "--recipe", str(recipe), "--to", str(to), "--preprocess", service]
    return main([*arguments, "--shard-size", str(shard_size)])


def test_a_fault_of_the_service_is_no_skip_so_that_the_medium_is_asked_for_again(
    data: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with canned((500, problem(500, "processing_failed"))) as broken:
        assert extract(data, recipe, tmp_path, broken.url) == 2
    assert "It is processing_failed." in capsys.readouterr().err
    assert list(tmp_path.glob("*shard*")) == []


def test_an_interrupted_extraction_goes_on(
    data: Path, recipe: Path, service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert extract(data, recipe, tmp_path, service) == 0
    whole = {path.name: path.read_bytes() for path in shards_in(tmp_path)}
    assert sorted(whole) == [f"shard-0000{number}.safetensors" for number in range(3)]
    said = capsys.readouterr().out
    assert "3 real and 3 fake media of 8 are in 3 shards, 0 of which were there" in said
    assert "skipped: 1 x no_face, such as nobody.png" in said
    assert "such as torn.png" in said

    # As after an interruption: one shard is missing and another was being written.
    (tmp_path / "shard-00001.safetensors").unlink()
    (tmp_path / ".shard-00001.safetensors.partial").write_bytes(b"half of it")
    assert extract(data, recipe, tmp_path, NOWHERE) == 2
    assert "does not answer" in capsys.readouterr().err
    assert len(shards_in(tmp_path)) == 2
    assert extract(data, recipe, tmp_path, service) == 0
    assert "2 of which were there" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in shards_in(tmp_path)} == whole
    # Nobody is asked when all is there.
    assert extract(data, recipe, tmp_path, NOWHERE) == 0


def test_what_was_extracted_is_read_medium_by_medium(data: Path, recipe: Path, service: str, tmp_path: Path) -> None:
    assert extract(data, recipe, tmp_path, service) == 0
    extracted = list(read_items(tmp_path, SPEC.key()))
    assert [Path(each.medium.path).name for each in extracted] == [
        f"{label}-{number}.png" for label in ("fake", "real") for number in range(3)
    ]
    for each in extracted:
        assert each.items.shape == (1, 64, 64, 3)
        assert (each.frame.tolist(), each.track.tolist()) == ([0], [0])
    brightness = [float(each.items.mean()) for each in extracted]
    assert brightness == sorted(brightness[:3], reverse=True) + sorted(brightness[3:])
    report = json.loads((tmp_path / "report.json").read_text())
    assert sum(report["reasons"].values()) == len(report["skipped"]) == 2
    assert {Path(skip["path"]).name for skip in report["skipped"]} == {"nobody.png", "torn.png"}


def test_shards_of_something_else_are_not_mixed(
    data: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert extract(data, recipe, tmp_path, NOWHERE) == 2
    capsys.readouterr()
    assert extract(data, recipe, tmp_path, NOWHERE, shard_size=2) == 2
    assert "holds shards of another shard_size" in capsys.readouterr().err
    with pytest.raises(DataError, match="holds no shards"):
        shards_in(tmp_path)
    (tmp_path / "shard-00000.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="is no shard"):
        read_contents(tmp_path / "shard-00000.safetensors")


def test_a_file_that_was_replaced_is_not_taken_for_the_one_whose_items_lie_there(
    data: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert extract(data, recipe, tmp_path, NOWHERE) == 2
    capsys.readouterr()
    with next(path for path in sorted(data.rglob("*.png")) if path.stat().st_size).open("ab") as picture:
        picture.write(b"more")
    assert extract(data, recipe, tmp_path, NOWHERE) == 2
    assert "holds shards of another" in capsys.readouterr().err


def test_a_class_of_which_nothing_is_left_is_fatal(
    recipe: Path, service: str, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label, name in (("real", "real-0.png"), ("fake", "torn.png")):
        (tmp_path / "set" / label).mkdir(parents=True)
        (tmp_path / "set" / label / name).write_bytes((data / label / name).read_bytes())
    assert extract(tmp_path / "set", recipe, tmp_path / "out", service) == 2
    assert "Of one class nothing is left: 1 real and 0 fake" in capsys.readouterr().err
