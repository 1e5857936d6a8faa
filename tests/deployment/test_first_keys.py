"""The keys that a new stack begins with: the gateway's own file of keys admits them, and nothing is made twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from telltale_gateway.security import KeyFile

TEXTS = ("telltale_operator_key", "telltale_api_key", "telltale_metrics_key")


@pytest.fixture
def house(root: Path, tmp_path: Path) -> Path:
    """A host that holds nothing but what is under version control."""
    (tmp_path / "model-repository").mkdir()
    (tmp_path / ".env.example").write_bytes((root / ".env.example").read_bytes())
    return tmp_path


def _prepare(root: Path, house: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, root / "scripts/deploy.py", "--house", house, "prepare"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _keys(house: Path) -> Path:
    return house / "secrets/keys/keys.json"


def _text(house: Path, name: str) -> str:
    return (house / "secrets" / name).read_text()


def test_the_gateway_admits_each_key_with_its_scopes(root: Path, house: Path) -> None:
    assert _prepare(root, house).returncode == 0
    keys = KeyFile(_keys(house))
    found = {name: keys.find(_text(house, name)) for name in TEXTS}
    scopes = {name: set(key.scopes) for name, key in found.items() if key is not None}
    assert scopes == {
        "telltale_operator_key": {"analyse", "operate"},
        "telltale_api_key": {"analyse"},
        "telltale_metrics_key": {"analyse"},
    }
    assert [key.prefix for key in keys.listed()] == [_text(house, name)[:11] for name in TEXTS]
    assert not any(_text(house, name) in _keys(house).read_text() for name in TEXTS)
    assert keys.find(_text(house, "telltale_api_key")[:-1]) is None


def test_two_hosts_have_nothing_in_common(root: Path, house: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "model-repository").mkdir()
    (other / ".env.example").touch()
    assert _prepare(root, house).returncode == _prepare(root, other).returncode == 0
    assert not {_text(house, name) for name in TEXTS} & {_text(other, name) for name in TEXTS}


def test_what_an_operator_changed_stays_as_it_is(root: Path, house: Path) -> None:
    assert _prepare(root, house).returncode == 0
    # The operator's key was handed over, the first client's revoked.
    keys = KeyFile(_keys(house))
    added, _ = keys.create("build server", frozenset({"analyse"}))
    assert keys.revoke(_text(house, "telltale_api_key")[:11]) is not None
    (house / "secrets/telltale_operator_key").unlink()
    before = _keys(house).read_bytes()
    assert _prepare(root, house).returncode == 0
    assert _keys(house).read_bytes() == before
    assert not (house / "secrets/telltale_operator_key").exists()
    assert KeyFile(_keys(house)).find(added) is not None


def test_a_file_of_keys_that_is_lost_is_made_from_the_texts(root: Path, house: Path) -> None:
    assert _prepare(root, house).returncode == 0
    texts = {name: _text(house, name) for name in TEXTS}
    _keys(house).unlink()
    assert _prepare(root, house).returncode == 0
    assert {name: _text(house, name) for name in TEXTS} == texts
    assert all(KeyFile(_keys(house)).find(text) for text in texts.values())


def test_what_is_no_key_is_not_taken_for_one(root: Path, house: Path) -> None:
    (house / "secrets").mkdir()
    (house / "secrets/telltale_api_key").write_text("secret")
    done = _prepare(root, house)
    assert done.returncode == 1
    assert "telltale_api_key holds no key" in done.stderr
    assert not _keys(house).exists()
    assert _text(house, "telltale_api_key") == "secret"
