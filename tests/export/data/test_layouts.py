"""Every layout gives the same rows, and what is wrong with a data set is said, counted, or refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from telltale_export.__main__ import main
from telltale_export.data import Dataset, MediaItem, groups_in_several_splits, read_dataset, require_both_classes
from telltale_export.data.layouts import write_labels
from telltale_export.errors import DataError

from .tiny import tiny

HEADER = "path,modality,label,family,source,group,licence"


def write_list(folder: Path, *lines: str, header: str = HEADER) -> Path:
    tiny(folder / "a.wav")
    tiny(folder / "b.png")
    (folder / "labels.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder


def row(dataset: Dataset, name: str) -> MediaItem:
    """The one row of the file with this name."""
    (found,) = [item for item in dataset.items if item.path.name == name]
    return found


def test_a_list_is_read_by_modality(tmp_path: Path) -> None:
    lines = ("a.wav,audio,fake,vits,demo,g1,CC0,x,dev", "b.png,image,real,camera,demo,g2,CC0,x,")
    dataset = read_dataset(write_list(tmp_path, *lines, header=HEADER + ",note,split"))

    (sound,) = dataset.of("audio")
    assert (sound.path, sound.fake, sound.family, sound.group) == (tmp_path / "a.wav", True, "vits", "g1")
    assert (sound.split, row(dataset, "b.png").split) == ("calibration", None)
    with pytest.raises(DataError, match="lists no video"):
        dataset.of("video")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "a.wav,audio,forged,vits,demo,g1,CC0\nb.png,image,Fake,x,y,z,CC0",
            "2 labels are neither.*line 2: label is 'for",
        ),
        ("a.wav,sound,fake,vits,demo,g1,CC0", "modality is 'sound'"),
        ("a.wav,audio,fake,vits,demo,,CC0", "no group"),
        ("a.wav,audio,fake,vits,demo,g1", "no licence"),
        ("c.flac,audio,fake,vits,demo,g1,CC0", "c.flac is not there"),
        ("a.wav,audio,fake,vits,demo,g1,CC0\na.wav,audio,fake,vits,demo,g1,CC0", "line 3: a.wav is listed a second"),
        ("", "lists no media"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dataset(write_list(tmp_path, line))


def test_a_missing_column_or_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data set of a known layout"):
        read_dataset(tmp_path)
    with pytest.raises(DataError, match=r"labels\.csv is not there"):
        read_dataset(tmp_path, "labels.csv")
    with pytest.raises(DataError, match="no column group, licence"):
        read_dataset(write_list(tmp_path, header="path,modality,label,family,source"))


def test_folders_of_classes(tmp_path: Path) -> None:
    for name in (
        "real/1.png",
        "real/deep/2.png",
        "Fake/stylegan2/1.png",
        "Fake/3.mp4",
        "unsure/4.png",
        "real/notes.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        tiny(tmp_path / name) if not name.endswith("txt") else (tmp_path / name).write_text("x")
    dataset = read_dataset(tmp_path)

    assert dataset.layout == "real-fake"
    assert len(dataset.items) == 4
    assert (row(dataset, "3.mp4").family, row(dataset, "3.mp4").modality) == ("fake", "video")
    swapped = next(item for item in dataset.items if item.fake and item.modality == "image")
    assert (swapped.family, swapped.group, swapped.source) == ("stylegan2", "1", tmp_path.name)
    assert dataset.reasons() == {"the label 'unsure' is neither real nor fake": 1, ".txt is no medium": 1}


def test_folders_of_classes_in_folders_of_splits(tmp_path: Path) -> None:
    for name in ("train/real/1.png", "train/fake/1.png", "val/real/1.png", "test/fake/1.png"):
        tiny(tmp_path / name)
    dataset = read_dataset(tmp_path)

    assert [item.split for item in dataset.items] == ["test", "training", "training", "calibration"]
    assert groups_in_several_splits(dataset.items) == {}
    assert {item.split for item in read_dataset(tmp_path, given_splits=False).items} == {None}


def test_faceforensics(tmp_path: Path) -> None:
    for name in ("000", "001", "002"):
        tiny(tmp_path / f"original_sequences/youtube/c23/videos/{name}.mp4")
    tiny(tmp_path / "original_sequences/actors/c23/videos/01__talking.mp4")
    tiny(tmp_path / "manipulated_sequences/Deepfakes/c23/videos/000_001.mp4")
    tiny(tmp_path / "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__talking__X.mp4")
    tiny(tmp_path / "manipulated_sequences/Deepfakes/c23/videos/extra.mp4")
    (tmp_path / "train.json").write_text('[["000", "001"]]')
    (tmp_path / "val.json").write_text('[["002", "003"]]')
    dataset = read_dataset(tmp_path)

    swapped = row(dataset, "000_001.mp4")
    assert (swapped.fake, swapped.family, swapped.split) == (True, "Deepfakes", "training")
    assert swapped.source == row(dataset, "000.mp4").source == "FaceForensics++/youtube/c23"
    assert swapped.group == row(dataset, "000.mp4").group == row(dataset, "001.mp4").group
    assert row(dataset, "002.mp4").group != swapped.group
    assert row(dataset, "002.mp4").split == "calibration"
    assert row(dataset, "01__talking.mp4").group == row(dataset, "01_02__talking__X.mp4").group == "actor-01"
    assert dataset.reasons() == {"the name has no number of a person": 1}
    (tmp_path / "val.json").write_text('{"000": 1')
    with pytest.raises(DataError, match="no list of pairs"):
        read_dataset(tmp_path)


def test_celeb_df(tmp_path: Path) -> None:
    names = ("Celeb-real/id0_0000.mp4", "Celeb-real/id0_0001.mp4", "Celeb-synthesis/id0_id1_0000.mp4")
    for name in (*names, "YouTube-real/00001.mp4"):
        tiny(tmp_path / name)
    (tmp_path / "List_of_testing_videos.txt").write_text(f"1 {names[0]}\n0 {names[2]}\n")
    dataset = read_dataset(tmp_path)

    swapped = row(dataset, "id0_id1_0000.mp4")
    assert (swapped.fake, swapped.group, swapped.split) == (True, "id0", "test")
    assert row(dataset, "00001.mp4").split == "training"
    assert groups_in_several_splits(dataset.items) == {"id0": ("test", "training")}
    assert "1 groups are in more than one split, id0 among them" in dataset.summary()
    (tmp_path / "List_of_testing_videos.txt").write_text(f"0 {names[0]}\n")
    with pytest.raises(DataError, match="line 1"):
        read_dataset(tmp_path)


def test_dfdc(tmp_path: Path) -> None:
    part = tmp_path / "dfdc_train_part_0"
    tiny(part / "a.mp4")
    tiny(part / "b.mp4")
    described = {
        "a.mp4": {"label": "REAL", "split": "train"},
        "b.mp4": {"label": "FAKE", "split": "train", "original": "a.mp4"},
        "c.mp4": {"label": "FAKE", "split": "train", "original": "a.mp4"},
    }
    (part / "metadata.json").write_text(json.dumps(described))
    dataset = read_dataset(tmp_path)

    forged = row(dataset, "b.mp4")
    assert (forged.fake, forged.group, forged.split) == (True, "a", "training")
    assert row(dataset, "a.mp4").group == "a"
    assert dataset.reasons() == {"in the metadata, but not there": 1}
    (part / "metadata.json").write_text(json.dumps(described | {"a.mp4": {"label": "MAYBE"}}))
    with pytest.raises(DataError, match=r"a\.mp4: label is 'MAYBE'"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("protocol", "lines", "expected"),
    [
        (
            "ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.train.trn.txt",
            ["LA_0079 LA_T_1 - - bonafide", "LA_0080 LA_T_2 - A01 spoof", "LA_0080 LA_T_3 - A01 spoof"],
            ("ASVspoof2019.LA", "training"),
        ),
        (
            "keys/LA/CM/trial_metadata.txt",
            [
                "LA_0079 LA_T_1 alaw ita_tx bonafide bonafide notrim progress",
                "LA_0080 LA_T_2 alaw ita_tx A01 spoof notrim eval",
                "LA_0080 LA_T_3 alaw ita_tx A01 spoof notrim eval",
            ],
            ("ASVspoof2021.LA", "test"),
        ),
        (
            "ASVspoof5.dev.track_1.tsv",
            [
                "LA_0079 LA_T_1 F - - - - bonafide bonafide -",
                "LA_0080 LA_T_2 F - - - AC1 A01 spoof -",
                "LA_0080 LA_T_3 F - - - AC1 A01 spoof -",
            ],
            ("ASVspoof5", "calibration"),
        ),
    ],
)
def test_asvspoof(tmp_path: Path, protocol: str, lines: list[str], expected: tuple[str, str]) -> None:
    tiny(tmp_path / "sounds/flac/LA_T_1.wav")
    tiny(tmp_path / "sounds/flac/LA_T_2.wav")
    (tmp_path / protocol).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / protocol).write_text("\n".join(lines))
    dataset = read_dataset(tmp_path)

    genuine, spoofed = row(dataset, "LA_T_1.wav"), row(dataset, "LA_T_2.wav")
    assert (genuine.fake, genuine.family, genuine.group) == (False, "bonafide", "LA_0079")
    assert (spoofed.fake, spoofed.family, spoofed.group) == (True, "A01", "LA_0080")
    assert {(item.source, item.split) for item in dataset.items} == {expected}
    assert dataset.reasons() == {"in the protocol, but its sound is not there": 1}
    (tmp_path / protocol).write_text("\n".join(lines).replace("spoof", "spoofed"))
    with pytest.raises(DataError, match="2 labels are neither"):
        read_dataset(tmp_path)


def test_copies_are_counted_once_and_contradictions_refused(tmp_path: Path) -> None:
    tiny(tmp_path / "real/1.png", "one")
    tiny(tmp_path / "real/2.png", "one")
    tiny(tmp_path / "fake/3.png", "three")
    (tmp_path / "fake/4.png").touch()
    dataset = read_dataset(tmp_path)

    assert [item.path.name for item in dataset.items] == ["3.png", "1.png"]
    assert dataset.reasons() == {"the file is empty": 1, "a copy of another file, byte for byte": 1}
    tiny(tmp_path / "fake/5.png", "one")
    with pytest.raises(DataError, match=r"1 contents are labelled both.*5\.png \(fake\)"):
        read_dataset(tmp_path)


def test_a_file_that_is_listed_twice_is_taken_once(tmp_path: Path) -> None:
    for protocol in ("ASVspoof5.dev.track_1.tsv", "ASVspoof5.train.tsv"):
        (tmp_path / protocol).write_text("LA_0080 LA_T_2 F - - - AC1 A01 spoof -\nLA_1 LA_T_1 F - - - - - bonafide -")
    tiny(tmp_path / "LA_T_1.wav", "one")
    tiny(tmp_path / "LA_T_2.wav", "two")
    dataset = read_dataset(tmp_path)

    assert [item.path.name for item in dataset.items] == ["LA_T_2.wav", "LA_T_1.wav"]
    assert dataset.reasons() == {"listed more than once": 2}


def test_asvspoof_5_lies_there_as_it_is_downloaded(tmp_path: Path) -> None:
    (tmp_path / "ASVspoof5.dev.track_1.tsv").write_text("LA_0080 LA_T_2 F - - - AC1 A01 spoof -")
    (tmp_path / "ASVspoof5.dev.track_2.enroll.tsv").write_text("LA_0079 LA_T_1,LA_T_3")
    (tmp_path / "ASVspoof5.dev.track_2.trial.tsv").write_text("LA_0079 LA_T_2 F spoof target")
    tiny(tmp_path / "LA_T_2.wav")

    assert row(read_dataset(tmp_path), "LA_T_2.wav").family == "A01"


def test_a_list_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    tiny(tmp_path / "a.png")
    line = "path,modality,label,family,source,group,licence\na.png,image,real,camera,here,a,none\n"
    (tmp_path / "labels.csv").write_text(line, encoding="utf-8-sig")

    assert row(read_dataset(tmp_path), "a.png").group == "a"


@pytest.mark.parametrize("inside", [True, False])
def test_a_split_beside_the_classes_hides_none_of_them(tmp_path: Path, inside: bool) -> None:
    tiny(tmp_path / "real/1.png", "one")
    tiny(tmp_path / "fake/2.png", "two")
    tiny(tmp_path / ("test/real/3.png" if inside else "test/3.png"), "three")
    dataset = read_dataset(tmp_path)

    given = {item.path.name: item.split for item in dataset.items}
    assert given == {"1.png": None, "2.png": None} | ({"3.png": "test"} if inside else {})


def test_one_class_is_said_and_refused_where_both_are_needed(tmp_path: Path) -> None:
    tiny(tmp_path / "fake/3.png")
    dataset = read_dataset(tmp_path, "real-fake")

    assert "one class only among the image media" in dataset.summary()
    with pytest.raises(DataError, match="holds fake media only"):
        require_both_classes(dataset.items, "It")


def test_a_data_set_becomes_a_list_with_splits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(6):
        tiny(tmp_path / f"set/real/{number}.png")
        tiny(tmp_path / f"set/fake/{number}.png")
    listing = tmp_path / "divided.csv"

    assert main(["data", "--data", str(tmp_path / "set"), "--to", str(listing)]) == 0

    assert "12 media, 0 left out" in capsys.readouterr().out
    divided = read_dataset(listing)
    assert {item.split for item in divided.items} == {"training", "calibration", "test"}
    assert groups_in_several_splits(divided.items) == {}
    assert all(item.path.resolve().parent.parent == tmp_path / "set" for item in divided.items)


@pytest.mark.parametrize("content", [b"path,label\n\xff\xfe", "path\nä".encode("latin-1")])
def test_a_list_that_is_not_utf8_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.csv is not text in UTF-8"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("name", ["ASVspoof2019.LA.cm.train.trn.txt", "List_of_testing_videos.txt"])
def test_nor_is_another_list_guessed_at(tmp_path: Path, name: str) -> None:
    for folder in ("Celeb-real", "Celeb-synthesis") if name.startswith("List") else ():
        (tmp_path / folder).mkdir()
    (tmp_path / name).write_bytes(b"\xff\n")
    with pytest.raises(DataError, match="is not text in UTF-8"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("about", [{"original": 3}, {"split": ["train"]}])
def test_metadata_that_name_no_original_are_refused(tmp_path: Path, about: dict[str, object]) -> None:
    tiny(tmp_path / "x.mp4")
    (tmp_path / "metadata.json").write_text(json.dumps({"x.mp4": {"label": "FAKE", **about}}))
    with pytest.raises(DataError, match=r"original and split of x\.mp4 are to be names"):
        read_dataset(tmp_path)


def test_the_list_that_was_read_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{number}.wav,audio,{label},vits,demo,g{number},CC0" for number, label in enumerate(("real", "fake") * 3)]
    for number in range(6):
        tiny(tmp_path / f"{number}.wav")
    write_list(tmp_path, *lines)
    before = (tmp_path / "labels.csv").read_bytes()
    for given in (tmp_path, tmp_path / "labels.csv"):
        assert main(["data", "--data", str(given), "--to", str(tmp_path / "labels.csv")]) == 2
        assert "is the list that was read" in capsys.readouterr().err
    assert (tmp_path / "labels.csv").read_bytes() == before


def test_a_list_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for label in ("real", "fake"):
        tiny(tmp_path / f"set/{label}/0.png")
    item = read_dataset(tmp_path / "set").items[0]
    with pytest.raises(OSError, match="No space"):
        write_labels([item], tmp_path / "list.csv")
    assert not (tmp_path / "list.csv").exists()


def test_a_split_without_media_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        tiny(tmp_path / f"set/real/{number}.png")
        tiny(tmp_path / f"set/fake/{number}.png")
    assert main(["data", "--data", str(tmp_path / "set"), "--to", str(tmp_path / "list.csv")]) == 0
    assert "nothing is for calibration" in capsys.readouterr().out
