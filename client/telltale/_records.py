"""Answers as lines: for people, as JSON or as CSV; on standard output, or in a file that can be continued."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from telltale._answered import COLUMNS, Format, csv_record, read_answered
from telltale._printing import printable
from telltale._verdict import Label, Verdict


@dataclass(frozen=True)
class Answer:
    """What came of one file: a verdict, or why there is none."""

    path: str
    verdict: Verdict | None
    error: str | None


@dataclass
class Records:
    """Where answers go, and the label of each path that is answered there already."""

    stream: TextIO
    format: Format
    answered: Mapping[str, Label] = field(default_factory=dict)
    mine: bool = False

    @classmethod
    def opened(cls, path: Path | None, format: Format, *, resume: bool) -> Self:  # noqa: A002 it is one
        """Open the file, or standard output.

        Raises:
            ValueError: the file is there and is not to be continued, or cannot be, or there is none that could be.
            OSError: it cannot be written.
        """
        if path is None:
            if resume:
                raise ValueError("--resume needs --out: the file to go on with")
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(errors="surrogateescape")  # names that are not UTF-8 come out as they are
            records = cls(sys.stdout, format)
            records.begin()
            return records
        if path.exists() and not resume:
            raise ValueError(f"{path} is there already; --resume goes on with it")
        answered: Mapping[str, Label] = {}
        if path.exists():
            held = read_answered(path, format)
            answered = held.answered
            os.truncate(path, held.size)  # what was being written when it was killed is no record
        records = cls(
            path.open("a", encoding="utf-8", errors="surrogateescape", newline=""), format, answered, mine=True
        )
        if records.stream.tell() == 0:
            records.begin()
        return records

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.mine:
            self.stream.close()

    def begin(self) -> None:
        """The header, where there is one."""
        if self.format == "csv":
            self._put(csv_record(COLUMNS))

    def write(self, answer: Answer) -> None:
        """One answer, whole before the next begins."""
        if self.format == "json":
            said = {"path": answer.path, **(answer.verdict.raw if answer.verdict else {"error": answer.error})}
            self._put(json.dumps(said) + "\n")
        elif self.format == "csv":
            self._put(csv_record(_row(answer)))
        elif answer.verdict is not None:
            self._put(_sentence(answer.path, answer.verdict) + "\n")

    def _put(self, record: str) -> None:
        self.stream.write(record)
        self.stream.flush()


def _row(answer: Answer) -> tuple[object, ...]:
    verdict = answer.verdict
    if verdict is None:
        return (answer.path, *[""] * (len(COLUMNS) - 2), answer.error)
    return (answer.path, *(getattr(verdict, column) for column in COLUMNS[1:-1]), "")


def _sentence(path: str, verdict: Verdict) -> str:
    likeliest = max(verdict.forgeries, key=lambda forgery: verdict.forgeries[forgery], default=None)
    what = f"  {likeliest.replace('_', ' ')}" if verdict.label == "fake" and likeliest else ""
    degraded = "  (degraded: not every detector could answer)" if verdict.degraded else ""
    return f"{printable(path)}: {verdict.label.upper()}  P(fake) = {verdict.score:.3f}{what}{degraded}"
