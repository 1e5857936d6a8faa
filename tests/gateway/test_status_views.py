"""What callers may know of the settings: no address, no path, no key, however the settings grow."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from telltale_gateway.api.views.prediction import info_of
from telltale_gateway.api.views.status import config_of, models_of, root_of
from telltale_gateway.rollout import CatalogReader, Deployed, Fleet, Readiness
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


@pytest.mark.parametrize(("age_s", "ready"), [(1.0, True), (60.0, False)])
def test_an_inference_of_long_ago_makes_nothing_ready(toy_repository: Path, age_s: float, ready: bool) -> None:
    reader = CatalogReader(toy_repository, settle_s=0.0)
    reader.read()
    entry = reader.read().entries["toy-face"]
    readiness = Readiness(ready=True, reason=None, checked_at=time.monotonic() - age_s)
    fleet = Fleet({"toy-face": Deployed(entry.manifest, 1, entry.releases[1], None, readiness)})
    assert root_of(fleet, 10.0).status == info_of(fleet, "cpu", 10.0).status == ("ready" if ready else "not_ready")
    assert [model.ready for model in models_of(fleet, 10.0).models] == [ready]
