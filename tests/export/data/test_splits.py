"""No group is in two splits, and splits that the data set gives are kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from telltale_export.data import MediaItem, Shares, SplitName, read_dataset, split_by_group
from telltale_export.errors import DataError


def items(groups: int = 40) -> list[MediaItem]:
    """Two sources; in each group one genuine medium and one of each of the source's families."""
    families = {"one": ("bonafide", "vits", "tacotron"), "two": ("bonafide", "valle")}
    return [
        MediaItem(
            path=Path(f"{source}-{group}-{family}.flac"),
            modality="audio",
            label="real" if family == "bonafide" else "fake",
            family=family,
            source=source,
            group=f"{source}-{group}",
            licence="none",
        )
        for source in families
        for group in range(groups)
        for family in families[source]
    ]


def test_no_group_is_in_two_splits() -> None:
    everything = items()
    split = split_by_group(everything, seed=3)

    parts = (split.training, split.calibration, split.test)
    groups = [{item.group for item in part} for part in parts]
    assert groups[0] | groups[1] | groups[2] == {item.group for item in everything}
    assert sum(len(part) for part in groups) == len({item.group for item in everything})
    assert sorted(item.path for part in parts for item in part) == sorted(item.path for item in everything)


def test_every_family_is_spread_by_the_shares() -> None:
    split = split_by_group(items(40), Shares(training=0.5, calibration=0.25, test=0.25), seed=1)

    for part, wanted in ((split.training, 20), (split.calibration, 10), (split.test, 10)):
        counts = Counter((item.source, item.family) for item in part)
        assert len(counts) == 5
        assert all(abs(count - wanted) <= 1 for count in counts.values())


def test_a_seed_gives_one_split() -> None:
    assert split_by_group(items(), seed=5) == split_by_group(items(), seed=5)
    assert split_by_group(items(), seed=5).test != split_by_group(items(), seed=6).test


def test_too_few_groups_and_wrong_shares_are_refused() -> None:
    with pytest.raises(DataError, match="2 groups"):
        split_by_group(items(1))
    with pytest.raises(ValueError, match="add up to 1"):
        Shares(training=0.9, calibration=0.2, test=0.2)


def given(splits: dict[str, SplitName]) -> list[MediaItem]:
    """The items above, in the splits that are given to their groups."""
    return [replace(item, split=splits.get(item.group)) for item in items(8)]


def test_splits_that_are_given_are_kept() -> None:
    everything = given(
        {f"{s}-{n}": ("training", "calibration", "test")[n % 3] for s in ("one", "two") for n in range(8)}
    )
    split = split_by_group(everything)
    assert {item.split for item in split.test} == {"test"}
    assert sum(len(part) for part in (split.training, split.calibration, split.test)) == len(everything)
    assert "as the data set gives them" in split.description


def test_a_split_that_is_not_given_is_taken_from_training() -> None:
    everything = given({f"{s}-{n}": "test" if n < 2 else "training" for s in ("one", "two") for n in range(8)})
    split = split_by_group(everything)
    assert {item.group for item in split.test} == {"one-0", "one-1", "two-0", "two-1"}
    assert {item.split for item in split.calibration} == {"training"}
    assert "calibration out of training" in split.description


def test_where_only_the_test_is_given_the_rest_is_shared_as_always() -> None:
    everything = given({f"{s}-{n}": "test" for s in ("one", "two") for n in range(2)})
    split = split_by_group(everything)
    groups = {name: len({item.group for item in getattr(split, name)}) for name in ("training", "calibration", "test")}
    assert groups["test"] == 4
    # 65 to 15, of the twelve that are left.
    assert groups["training"] == pytest.approx(12 * 65 / 80, abs=1)
    assert "training out of training" not in split.description


def test_a_group_in_two_given_splits_is_refused() -> None:
    first, *rest = given({f"{s}-{n}": "training" for s in ("one", "two") for n in range(8)})
    with pytest.raises(DataError, match=r"1 groups are in more than one split: one-0 in test and training"):
        split_by_group([replace(first, split="test"), *rest])


@pytest.mark.media
def test_the_shared_media_divide() -> None:
    media = Path(__file__).parents[4] / "shared" / "media"
    if not media.is_dir():
        pytest.skip("../shared/media is not there")
    sounds = read_dataset(media).of("audio")
    split = split_by_group(sounds)

    assert not {item.group for item in split.test} & {item.group for item in (*split.training, *split.calibration)}
    assert {item.source for item in split.test} == {item.source for item in sounds}
