"""What callers may know of the settings: no address, no path, no key, however the settings grow."""

from __future__ import annotations

from pathlib import Path

from telltale_gateway.api.views.status import config_of
from telltale_gateway.settings import Settings


def test_the_configuration_tells_no_address_and_no_path() -> None:
    settings = Settings(
        model_repository=Path("/hidden/models"),
        preprocess_url="http://hidden:1",
        triton_url="http://hidden:2",
        tfserving_target="hidden:3",
        staging_root=Path("/hidden/staging"),
    )
    told = config_of(settings)
    assert "hidden" not in told.model_dump_json()
    assert told.limits == settings.limits
