""".env.example, and what `make up` makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from telltale_gateway.settings import Settings as GatewaySettings
from telltale_preprocess.settings import Settings as PreprocessSettings


def _run(script: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)


def _variables(root: Path) -> dict[str, str]:
    lines = (root / ".env.example").read_text().splitlines()
    rows = [line.lstrip("#") for line in lines if line.startswith(("TELLTALE_", "#TELLTALE_"))]
    names = [row.partition("=")[0] for row in rows]
    assert len(names) == len(set(names)), "a setting is listed twice"
    return {row.partition("=")[0]: row.partition("=")[2] for row in rows}


def test_it_is_what_the_settings_and_the_compose_files_say(root: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import env_example; sys.stdout.write(env_example.example())"
    done = subprocess.run([sys.executable, "-c", code, root / "scripts"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (root / ".env.example").read_text() == done.stdout, "run scripts/env_example.py"


def test_every_default_in_it_can_be_set(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TELLTALE_"):
            monkeypatch.delenv(name)
    for name, value in _variables(root).items():
        if value:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("TELLTALE_MODEL_REPOSITORY", "/models")
    monkeypatch.setenv("TELLTALE_PREPROCESS_URL", "http://preprocess-balancer:8010")
    gateway = GatewaySettings()  # type: ignore[call-arg]
    assert gateway.limits.upload_bytes == PreprocessSettings().max_upload_bytes
    # One variable sets the limit of all three.
    assert "TELLTALE_PREPROCESS_MAX_UPLOAD_BYTES" not in _variables(root)


def test_what_is_missing_on_a_host_is_made_once(root: Path, tmp_path: Path) -> None:
    (tmp_path / "model-repository").mkdir()
    (tmp_path / ".env.example").write_bytes((root / ".env.example").read_bytes())
    done = _run(root / "scripts/deploy.py", "--house", tmp_path, "prepare", "--name", "tell.example")
    assert done.returncode == 0, done.stderr
    owner = (tmp_path / "model-repository").stat().st_uid or 10001
    assert f"\nTELLTALE_UID={owner}\n" in (tmp_path / ".env").read_text()
    found = [path for folder in ("secrets", "nginx/certs") for path in (tmp_path / folder).rglob("*")]
    made = {path: path.read_bytes() for path in found if path.is_file()}
    assert {path.name for path in made} == {
        "telltale_triton_control_key",
        "telltale_operator_key",
        "telltale_api_key",
        "telltale_metrics_key",
        "keys.json",
        "grafana_admin_password",
        "privkey.pem",
        "fullchain.pem",
    }
    for path in found:
        assert path.stat().st_uid == owner
        assert not path.is_dir() or path.stat().st_mode & 0o777 == 0o700
    for path in made:
        assert path.stat().st_mode & 0o777 == (0o644 if path.name == "fullchain.pem" else 0o600)
    assert len(set(made.values())) == len(made)
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", tmp_path / "nginx/certs/fullchain.pem"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    assert "DNS:tell.example" in shown.stdout
    assert _run(root / "scripts/deploy.py", "--house", tmp_path, "prepare").returncode == 0
    assert {path: path.read_bytes() for path in made} == made


def test_what_is_missing_is_made_where_compose_mounts_it_from(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("house", "detectors"):
        (tmp_path / folder).mkdir()
    house, owner = tmp_path / "house", os.geteuid() or 4711
    lines = [
        f"TELLTALE_MODEL_REPOSITORY_PATH={tmp_path}/detectors  # on a disk of its own",
        'TELLTALE_SECRETS="./kept/secrets"',
        "TELLTALE_CERTS=./unused",
        f"TELLTALE_UID={owner}",
        "#TELLTALE_GID=1",
        f"TELLTALE_GID='{owner}'",
    ]
    (house / ".env").write_text("\n".join(lines))
    # As with compose, the environment is believed first.
    monkeypatch.setenv("TELLTALE_CERTS", str(tmp_path / "certs"))
    done = _run(root / "scripts/deploy.py", "--house", house, "prepare")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in house.iterdir()} == {".env", "kept"}
    made = [house / "kept/secrets/keys/keys.json", tmp_path / "certs/privkey.pem", tmp_path / "certs"]
    assert [path.stat().st_uid for path in made] == [owner] * 3
    assert (house / ".env").read_text().splitlines() == lines


def test_secrets_and_keys_are_never_committed(root: Path) -> None:
    ignored = ["secrets/telltale_operator_key", "secrets/keys/keys.json", "nginx/certs/privkey.pem", ".env"]
    done = subprocess.run(["git", "check-ignore", *ignored], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
    if done.returncode == 128:
        pytest.skip("not a git checkout: nothing says which files are committed")
    assert done.stdout.split() == ignored
