"""Files of answers: what is written is read again as it was, whatever the names are; only what is whole goes on."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from telltale.__main__ import main
from telltale._reading import read
from telltale._records import Answer, Format, Records
from telltale._verdict import Verdict

from tests.client.canned import VERDICT, canned

NAMES = [
    b"0\na.png",
    b"0\ra.png",
    b"0\r\na.png",
    b'"quoted".png',
    b'"\n"a.png',
    b"a,real,0.1,0.9,image,x,False,ab,\nb.png",
    b" led.png",
    b"trailed ",
    b"no\xffutf8\n.png",
    "schön\u2028.png".encode(),
]
SHAPES: list[Format] = ["csv", "json"]
both = pytest.mark.parametrize("shape", SHAPES)


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    folder = tmp_path / "media"
    folder.mkdir()
    found = [os.fsdecode(os.fsencode(folder) + b"/" + name) for name in NAMES]
    for path in found:
        Path(path).write_bytes(b"media")
    return found


def written(out: Path) -> list[list[str]]:
    """The rows of a file, each of as many columns as the first."""
    text = out.read_bytes().decode("utf-8", "surrogateescape")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    return rows


def predict(url: str, shape: str, paths: list[str], out: Path, *more: str) -> int:
    return main(["--url", url, "predict", f"--{shape}", "--jobs", "1", *paths, "--out", str(out), *more])


def test_a_name_never_gives_another_file_its_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("0\na.png", "a.png"):
        Path(name).write_bytes(b"media")
    with canned((200, {**VERDICT, "label": "real"}), (200, VERDICT)) as gateway:
        assert predict(gateway.url, "csv", ["0\na.png"], Path("o.csv")) == 0
        assert predict(gateway.url, "csv", ["a.png"], Path("o.csv"), "--resume") == 1
        assert len(gateway.asked) == 2
    assert "answered already" not in capsys.readouterr().err


def test_csv_holds_every_name_as_it_is(paths: list[str], tmp_path: Path) -> None:
    with canned((200, VERDICT)) as gateway:
        assert predict(gateway.url, "csv", paths, tmp_path / "out") == 0
    assert [row[0] for row in written(tmp_path / "out")] == ["path", *paths]


def test_a_reader_that_strips_sees_spaces_of_names(paths: list[str], tmp_path: Path) -> None:
    with canned((200, VERDICT)) as gateway:
        assert predict(gateway.url, "csv", paths, tmp_path / "out") == 0
    assert f'"{paths[6]}",'.encode() in (tmp_path / "out").read_bytes()
    assert f'"{paths[7]}",'.encode() in (tmp_path / "out").read_bytes()


@both
def test_every_name_is_known_again(paths: list[str], tmp_path: Path, shape: Format) -> None:
    out = tmp_path / "out"
    with canned((200, VERDICT)) as gateway:
        assert predict(gateway.url, shape, paths, out) == 0
        before = out.read_bytes()
        assert predict(gateway.url, shape, paths, out, "--resume") == 0
        assert len(gateway.asked) == len(paths)
    assert out.read_bytes() == before


@both
def test_wherever_it_is_torn_the_last_record_alone_is_lost(tmp_path: Path, shape: Format) -> None:
    """Cut behind every byte; nothing but whole records is believed, and what is written next begins a record."""
    paths = [os.fsdecode(name) for name in NAMES[:1] + NAMES[4:6] + NAMES[8:]]
    out = tmp_path / "out"
    verdict = read(Verdict, VERDICT)
    ends = []
    with Records.opened(out, shape, resume=False) as records:
        for path in paths:
            records.write(Answer(path, verdict, None))
            ends.append(out.stat().st_size)
    whole = out.read_bytes()
    for cut in range(0, len(whole), 1 if shape == "csv" else 97):
        out.write_bytes(whole[:cut])
        with Records.opened(out, shape, resume=True) as records:
            assert dict(records.answered) == dict.fromkeys(paths[: sum(end <= cut for end in ends)], "fake")
            for path in paths[len(records.answered) :]:
                records.write(Answer(path, verdict, None))
        assert out.read_bytes() == whole


def test_what_an_earlier_telltale_wrote_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text(
        "path,label,score,confidence,modality,version,degraded,sha256,error\n"
        "a.png,fake,0.9,0.9,image,x:1,False,ab,\nb.png,,,,,,,,no\n"
    )
    with Records.opened(out, "csv", resume=True) as records:
        assert dict(records.answered) == {"a.png": "fake"}


@pytest.mark.parametrize(("held", "asked"), [("csv", "json"), ("json", "csv")])
@pytest.mark.parametrize("torn", [False, True])
def test_one_file_never_holds_both_formats(
    held: Format, asked: Format, torn: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, out = tmp_path / "clip.mp4", tmp_path / "out"
    clip.write_bytes(b"media")
    with canned((200, VERDICT)) as gateway:
        assert predict(gateway.url, held, [str(clip)], out) == 1
        if torn:
            out.write_bytes(out.read_bytes()[:20])
        before = out.read_bytes()
        capsys.readouterr()
        assert predict(gateway.url, asked, [str(clip)], out, "--resume") == 64
        assert len(gateway.asked) == 1
    assert out.read_bytes() == before
    said = capsys.readouterr().err
    assert str(out) in said
    assert f"--{held}" in said
    assert "--out" in said


@both
@pytest.mark.parametrize(
    "text",
    [
        "a list of mine\n",
        '{"mine": 1}\n',
        '{"path": "a.png", "label": "genuine"}\n',
        '{"path": "a.png", "label": "fake"}\nnot json\n{"path": "b.png", "label": "fake"}\n',
        "path,label,score,confidence,modality,version,degraded,sha256,error\n0\na.png,fake,0.9,0.9,image,x,False,ab,\n",
        "path,label,score,confidence,modality,version,degraded,sha256,error\na.png,0,0.9,0.9,image,x,False,ab,\n",
        'path,label,score,confidence,modality,version,degraded,sha256,error\n"a"b,fake,0.9,0.9,image,x,False,ab,\n',
        "path,label,mine\na.png,fake,1\n",
    ],
)
def test_what_is_no_file_of_answers_is_left_as_it_is(tmp_path: Path, shape: Format, text: str) -> None:
    out = tmp_path / "out"
    out.write_text(text)
    with pytest.raises(ValueError, match=r"--out|--csv|--json") as raised:
        Records.opened(out, shape, resume=True)
    assert str(out) in str(raised.value)
    assert out.read_text() == text


def test_an_empty_file_is_begun(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.touch()
    with Records.opened(out, "csv", resume=True) as records:
        assert not records.answered
    assert len(written(out)) == 1


def test_lines_of_json_are_one_each(paths: list[str], tmp_path: Path) -> None:
    with canned((200, VERDICT)) as gateway:
        assert predict(gateway.url, "json", paths, tmp_path / "out") == 0
    lines = (tmp_path / "out").read_bytes().splitlines()
    assert [json.loads(line)["path"] for line in lines] == paths
