"""What `evaluate` takes, and what it says of the data before anybody is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from telltale_export.__main__ import main
from telltale_export.data import Dataset, SplitName, read_dataset
from telltale_export.errors import DataError
from telltale_export.evaluation.commands import chosen_items, warnings_about

from tests.export.data.tiny import tiny


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Two people of whom one is in both splits."""
    lines = ["path,modality,label,family,source,group,licence,split"]
    rows: list[tuple[str, str, SplitName]] = [("a", "real", "training"), ("a", "fake", "test"), ("b", "fake", "test")]
    for number, (group, label, split) in enumerate(rows):
        tiny(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,image,{label},{label},made,{group},none,{split}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return read_dataset(tmp_path)


def test_the_test_split_is_measured_where_there_is_one(data: Dataset) -> None:
    assert [item.path.name for item in chosen_items(data, None)] == ["1.png", "2.png"]
    assert len(chosen_items(data, "all")) == 3
    with pytest.raises(DataError, match="no media for calibration"):
        chosen_items(data, "calibration")


def test_splits_without_one_for_testing_are_not_measured_unasked(data: Dataset) -> None:
    parts: dict[str, SplitName] = {"0.png": "training", "1.png": "calibration", "2.png": "calibration"}
    untested = replace(data, items=tuple(replace(item, split=parts[item.path.name]) for item in data.items))
    with pytest.raises(DataError, match="none for testing: it has training and calibration") as refused:
        chosen_items(untested, None)
    assert "--only (training or calibration, or all)" in refused.value.hint
    assert [item.path.name for item in chosen_items(untested, "training")] == ["0.png"]
    unsplit = replace(data, items=tuple(replace(item, split=None) for item in data.items))
    assert len(chosen_items(unsplit, None)) == 3


def test_people_who_may_have_been_trained_on_are_named(data: Dataset) -> None:
    leak, one_class = warnings_about(data, chosen_items(data, None))
    assert leak.startswith("1 of 2 groups are in another split of the data set, too (a is one)")
    assert one_class.startswith("All media are fake")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--asv", "0.1,0.1"], "--asv 0.1,0.1"),
        (["--asv", "0.1,0.1,0"], "no countermeasure can help"),
        (["--url", "http://127.0.0.1:9"], "does not answer"),
        (["--version", "nowhere/1"], "is no version of a detector"),
    ],
)
def test_what_is_wrong_is_explained(
    arguments: list[str], said: str, data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--data", str(data.place), "--to", str(tmp_path / "out"), *arguments]) == 2
    assert said in capsys.readouterr().err
