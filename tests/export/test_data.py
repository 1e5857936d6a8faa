"""Labels are read strictly, and no group is in two splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from telltale_export.data import MediaItem, Shares, read_labels, split_by_group
from telltale_export.errors import DataError

HEADER = "path,modality,label,family,source,group,licence"


def write_labels(folder: Path, *lines: str, header: str = HEADER) -> Path:
    (folder / "a.flac").touch()
    (folder / "b.png").touch()
    (folder / "labels.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder


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


def test_labels_are_read_by_modality(tmp_path: Path) -> None:
    write_labels(
        tmp_path, "a.flac,audio,fake,vits,demo,g1,CC0", "b.png,image,real,camera,demo,g2,CC0", header=HEADER + ",note"
    )

    (sound,) = read_labels(tmp_path, "audio")
    assert (sound.path, sound.fake, sound.family, sound.group) == (tmp_path / "a.flac", True, "vits", "g1")
    assert len(read_labels(tmp_path)) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.flac,audio,forged,vits,demo,g1,CC0", "line 2: label is 'forged'"),
        ("a.flac,sound,fake,vits,demo,g1,CC0", "modality is 'sound'"),
        ("a.flac,audio,fake,vits,demo,,CC0", "no group"),
        ("a.flac,audio,fake,vits,demo,g1", "no licence"),
        ("c.flac,audio,fake,vits,demo,g1,CC0", "c.flac is not there"),
        ("b.png,image,real,camera,demo,g1,CC0", "lists no audio"),
        ("a.flac,audio,fake,vits,demo,g1,CC0\na.flac,audio,fake,vits,demo,g1,CC0", "line 3: a.flac is listed a second"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(write_labels(tmp_path, line), "audio")


def test_a_missing_list_or_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.csv is not there"):
        read_labels(tmp_path)
    with pytest.raises(DataError, match="no column group, licence"):
        read_labels(write_labels(tmp_path, header="path,modality,label,family,source"))


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


@pytest.mark.media
def test_the_shared_media_divide() -> None:
    media = Path(__file__).parents[3] / "shared" / "media"
    if not media.is_dir():
        pytest.skip("../shared/media is not there")
    sounds = read_labels(media, "audio")
    split = split_by_group(sounds)

    assert not {item.group for item in split.test} & {item.group for item in (*split.training, *split.calibration)}
    assert {item.source for item in split.test} == {item.source for item in sounds}
