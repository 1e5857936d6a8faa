"""Lines for a terminal, made of what others have written."""

from __future__ import annotations

import pytest
from telltale._printing import event_line, printable


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("\x1b[2Jboss", r"\x1b[2Jboss"),
        ("one\ntwo\r", r"one\ntwo\r"),
        ("\u202eder\u2028", r"\u202eder\u2028"),
        ("\x9b31m", r"\x9b31m"),
        ("\ud800", r"\ud800"),
        ("Größe 7 %, 好", "Größe 7 %, 好"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(written: str, printed: str) -> None:
    event = {"at": "now", "action": "promote", "version": 2, "by": "", "who": written, "why": written}
    assert printable(event_line(event)) == f"now  promote 2  by {printed}: {printed}"
