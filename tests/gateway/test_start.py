"""What the gateway refuses to start with."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from telltale_gateway.__main__ import is_loopback, main, why_not
from telltale_gateway.security import KeyFile
from telltale_gateway.serving import Triton
from telltale_gateway.settings import Auth, Fusion, Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])  # noqa: S104
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_serving_the_world_without_authentication_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELLTALE_MODEL_REPOSITORY", "model-repository")
    monkeypatch.setenv("TELLTALE_PREPROCESS_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("TELLTALE_ALLOW_ANONYMOUS", raising=False)
    assert main(["--host", "0.0.0.0"]) == 2  # noqa: S104
    assert "TELLTALE_ALLOW_ANONYMOUS=true" in capsys.readouterr().err


def test_a_missing_setting_is_named_as_the_variable_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TELLTALE_MODEL_REPOSITORY", raising=False)
    monkeypatch.setenv("TELLTALE_FUSION__PRIOR_FAKE", "1.5")
    monkeypatch.setenv("TELLTALE_PREPROCESS_URL", "http://127.0.0.1:9")
    assert main([]) == 2
    said = capsys.readouterr().err
    assert "TELLTALE_MODEL_REPOSITORY" in said
    assert "TELLTALE_FUSION__PRIOR_FAKE" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("TELLTALE_CORS_ORIGINS", value) for value in ("https://example.com", "*", '["https://example.com"')),
        ("TELLTALE_URLS__PORTS", "80,443"),
        ("TELLTALE_FUSION__SHARES", "face_swap=1"),
    ],
)
def test_a_list_that_is_no_json_is_named_and_how_it_is_written(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELLTALE_MODEL_REPOSITORY", "model-repository")
    monkeypatch.setenv("TELLTALE_PREPROCESS_URL", "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)
    assert main([]) == 2
    said = capsys.readouterr().err
    assert said.startswith(name)
    assert said.count("\n") == 1


def test_a_threshold_outside_the_uncertain_band_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the uncertain band"):
        Fusion(threshold=0.8)


def test_triton_is_told_what_to_compute_on(tmp_path: Path) -> None:
    config = 'name: "toy" instance_group [ { kind: KIND_CPU, count: 2 } ]'
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/config.pbtxt").write_text(config)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/config.pbtxt").write_text('name: "bare"')

    async def told(model: str, instances: str | None) -> dict[str, Any]:
        triton = Triton(
            "http://127.0.0.1:9", repository=tmp_path, load_timeout_s=1, slots=1, control_key="key", instances=instances
        )
        told: dict[str, Any] = json.loads(triton._config(model, frozenset({3})))
        await triton.close()
        return told

    assert asyncio.run(told("toy", None))["instance_group"] == [{"count": 2, "kind": "KIND_CPU"}]
    assert asyncio.run(told("toy", "KIND_GPU"))["instance_group"] == [{"count": 2, "kind": "KIND_GPU"}]
    assert asyncio.run(told("bare", "KIND_GPU"))["instance_group"] == [{"kind": "KIND_GPU"}]


def test_secrets_are_read_from_files_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLTALE_MODEL_REPOSITORY", "model-repository")
    monkeypatch.setenv("TELLTALE_PREPROCESS_URL", "http://127.0.0.1:9")
    (tmp_path / "telltale_triton_control_key").write_text("open sesame, please\n")
    settings = Settings(_secrets_dir=tmp_path)  # type: ignore[call-arg]
    assert settings.triton_control_key is not None
    assert settings.triton_control_key.get_secret_value() == "open sesame, please"
    assert "sesame" not in repr(settings)


def test_a_control_key_that_could_be_tried_out_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 16 characters"):
        Settings(model_repository=Path("x"), preprocess_url="http://127.0.0.1:9", triton_control_key=SecretStr("open"))


GOOD_SECRET = "k3Vq9-fZ1LrT8mXw2BnY6pDs4GhJ7cAu"  # noqa: S105 of these tests only


@pytest.mark.parametrize(
    "secret",
    [
        *("short", "a" * 64, "0123456789" * 3, "changeme-changeme-changeme-0123456789", "your-secret-key-" * 3),
        *("Your_JWT_Secret_which_goes_here_1234", "Change.Me.before.production.2024-xyz"),
        *("MY-SECRET-of-32-characters-or-more"),
        *("83920174650283746501928374650192", "abcdefghijklmnopqrstuvwxyz012345", "k3Vq9-fZ1LrT8mXw" * 2),
    ],
)
def test_a_secret_that_can_be_guessed_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="openssl rand"):
        Auth.model_validate({"jwt_secret": secret, "issuer": "https://issuer.example"})


@pytest.mark.parametrize(
    ("auth", "why"),
    [
        ({"jwt_secret": GOOD_SECRET}, "issuer"),
        ({"jwks_url": "https://i.example/keys", "jwt_secret": GOOD_SECRET, "issuer": "i"}, "both"),
        ({"jwks_url": "http://i.example/keys", "issuer": "i"}, "https"),
    ],
)
def test_tokens_that_could_not_be_checked_are_refused(auth: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Auth.model_validate(auth)


@pytest.mark.parametrize("origin", ["*", "example.com", "https://example.com/", "https://example.com/page"])
def test_what_is_no_origin_opens_nothing(origin: str) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        settings({"cors_origins": [origin]})


def settings(more: dict[str, object]) -> Settings:
    return Settings.model_validate({"model_repository": Path(), "preprocess_url": "http://127.0.0.1:9", **more})


def test_with_keys_every_address_may_be_served_and_with_a_damaged_file_none(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    guarded = settings({"auth": {"keys_file": path}})
    assert "cannot be read" in (why_not(guarded, "127.0.0.1") or "")
    KeyFile(path).create("ci", frozenset({"analyse"}))
    assert why_not(guarded, "192.0.2.1") is None
    path.write_text("{")
    assert "does not hold keys" in (why_not(guarded, "127.0.0.1") or "")


def test_no_secret_is_shown_by_the_settings_that_hold_it() -> None:
    assert GOOD_SECRET not in repr(settings({"auth": {"jwt_secret": GOOD_SECRET, "issuer": "i"}}))
