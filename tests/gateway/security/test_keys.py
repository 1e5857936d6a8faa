"""Keys in a file: what is stored, when a change is seen, and what happens when the file is not one."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from pydantic import ValidationError
from telltale_gateway.__main__ import main
from telltale_gateway.security import KeyFile, MalformedKeyFile

BOTH = frozenset({"analyse", "operate"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_is_found_by_its_text_and_never_stored(path: Path) -> None:
    text, key = KeyFile(path).create("ci", frozenset({"analyse"}), 7)
    assert KeyFile(path).find(text) == key
    assert key.caller.requests_per_minute == 7
    assert text.startswith(key.prefix)
    secret = text.removeprefix(key.prefix)
    assert len(secret) > 43
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_the_whole_key_will_do(path: Path) -> None:
    text, key = KeyFile(path).create("ci", BOTH)
    for wrong in (text[:-1], text + "x", key.prefix, key.sha256, ""):
        assert KeyFile(path).find(wrong) is None


def test_keys_that_are_made_or_revoked_elsewhere_count_from_the_next_question_on(path: Path) -> None:
    first, _ = KeyFile(path).create("first", BOTH)
    reader = KeyFile(path)
    assert reader.find(first) is not None
    second, key = KeyFile(path).create("second", BOTH)
    assert reader.find(second) == key
    assert KeyFile(path).revoke(key.prefix) == key
    assert reader.find(second) is None
    assert reader.find(first) is not None
    assert KeyFile(path).revoke(key.prefix) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": [{"prefix": "x"}]}', '{"more": 1}'])
def test_a_damaged_file_lets_nobody_in_not_even_those_it_knew(path: Path, content: str) -> None:
    text, _ = KeyFile(path).create("ci", BOTH)
    reader = KeyFile(path)
    assert reader.find(text) is not None
    path.write_text(content)
    with pytest.raises(MalformedKeyFile):
        reader.find(text)
    path.unlink()
    with pytest.raises(MalformedKeyFile) as raised:
        reader.find(text)
    assert str(path) not in str(raised.value)


@pytest.mark.parametrize(("name", "rate"), [("", 1), ("a\nb", 1), ("x" * 81, 1), ("ci", 0)])
def test_a_key_that_cannot_be_is_refused(path: Path, name: str, rate: int) -> None:
    with pytest.raises(ValidationError):
        KeyFile(path).create(name, BOTH, rate)
    assert not path.exists()


def test_the_command_creates_lists_and_revokes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = ["keys", "--file", str(path)]
    assert main([*keys, "create", "build", "--scope", "operate", "--rate", "9"]) == 0
    text = capsys.readouterr().out.strip()
    assert KeyFile(path).find(text) is not None
    assert main([*keys, "list"]) == 0
    listed = capsys.readouterr().out
    assert text not in listed
    for word in (text[:11], "operate", "9 a minute", "build"):
        assert word in listed
    assert main([*keys, "revoke", text[:11]]) == 0
    assert main([*keys, "revoke", text[:11]]) == 1
    assert json.loads(path.read_text()) == {"keys": []}


def test_the_command_says_what_it_lacks(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TELLTALE_AUTH__KEYS_FILE", raising=False)
    assert main(["keys", "list"]) == 2
    assert "TELLTALE_AUTH__KEYS_FILE" in capsys.readouterr().err
    assert main(["keys", "--file", str(path), "create", "a\tb"]) == 1
    assert "name" in capsys.readouterr().err
