from __future__ import annotations

import pytest
from telltale_gateway.__main__ import is_loopback, main
from telltale_gateway.settings import Fusion


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


def test_a_threshold_outside_the_uncertain_band_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the uncertain band"):
        Fusion(threshold=0.8)
