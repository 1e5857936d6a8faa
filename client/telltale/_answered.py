"""What a file of answers holds already: which files have a verdict, and where its last whole record ends."""

from __future__ import annotations

import csv
import io
import json
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from telltale._verdict import Label

Format = Literal["text", "json", "csv"]
COLUMNS = ("path", "label", "score", "confidence", "modality", "version", "degraded", "sha256", "error")
_WRITTEN_AS = {"json": "JSON lines", "csv": "CSV"}


@dataclass(frozen=True)
class Held:
    """The label of each path that has one, and the size in bytes of all records that are whole."""

    answered: dict[str, Label]
    size: int


def csv_record(values: tuple[object, ...]) -> str:
    """One record of CSV, as RFC 4180 has it but for the end of line, which is "\\n".

    All text is quoted: names may begin or end with spaces, and hold quotes, commas and ends of line.
    """
    record = io.StringIO(newline="")
    csv.writer(record, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerow(values)
    return record.getvalue()


def read_answered(path: Path, asked: Format) -> Held:
    """Read what is there; a last record that is torn is none, and what failed has no label.

    Raises:
        ValueError: it holds something else than answers in this format.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        found = _format_of(stream.read(len(csv_record(COLUMNS))))
        stream.seek(0)
        if found is None:
            raise _not_ours(path, 1)
        if asked not in found:
            (other,) = found
            raise ValueError(
                f"{path} holds {_WRITTEN_AS[other]} and cannot go on as {_WRITTEN_AS[asked]}: a file has one format. "
                f"Go on with --{other}, or name another file with --out."
            )
        return _read_csv(path, stream) if asked == "csv" else _read_json(path, stream)


def _format_of(head: bytes) -> set[str] | None:
    """The formats that a file with this beginning may have: both while there is nothing; None when it has neither."""
    heads = {"csv": (csv_record(COLUMNS), ",".join(COLUMNS)), "json": ('{"path": "',)}
    text = head.decode("utf-8", "surrogateescape")
    return {each for each, begins in heads.items() if any(_agree(text, begin) for begin in begins)} or None


def _agree(text: str, beginning: str) -> bool:
    return text.startswith(beginning) or beginning.startswith(text)


def _read_csv(path: Path, stream: IO[bytes]) -> Held:
    lines = _Lines(stream)
    reader = csv.reader(lines, strict=True)
    held = Held({}, 0)
    try:
        for number, row in enumerate(reader):
            if lines.torn:
                break
            if number == 0 and tuple(row) != COLUMNS:
                raise _not_ours(path, 1)
            if number > 0:
                if len(row) != len(COLUMNS):
                    raise _not_ours(path, reader.line_num)
                if row[1]:
                    held.answered[row[0]] = _label(row[1], path, reader.line_num)
            held = Held(held.answered, lines.size)
    except csv.Error as error:
        if not lines.ended:  # at the end it says that a quote was never closed, as when the writer was killed
            raise _not_ours(path, reader.line_num) from error
    return held


def _read_json(path: Path, stream: IO[bytes]) -> Held:
    lines = _Lines(stream)
    answered: dict[str, Label] = {}
    size = 0
    for number, line in enumerate(lines, 1):
        if lines.torn:
            break
        try:
            said = json.loads(line)
            name, label = said["path"], said.get("label")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _not_ours(path, number) from error
        if label is not None:
            answered[name] = _label(label, path, number)
        size = lines.size
    return Held(answered, size)


class _Lines:
    """The lines of a stream, up to each "\\n"; how many bytes were given, whether the last was torn, and all given."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = 0
        self.torn = False
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            self.size += len(line)
            self.torn = not line.endswith(b"\n")
            yield line.decode("utf-8", "surrogateescape")
        self.ended = True


def _label(word: object, path: Path, line: int) -> Label:
    for label in typing.get_args(Label):
        if word == label:
            return typing.cast("Label", label)
    raise _not_ours(path, line)


def _not_ours(path: Path, line: int) -> ValueError:
    return ValueError(
        f"{path} is not a file of answers, or was changed: line {line} is none that telltale writes. It was left as it "
        "is; name another file with --out."
    )
