"""The pages name only settings and metrics that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from telltale_gateway.settings import Settings
from telltale_gateway.telemetry import Telemetry
from telltale_preprocess.settings import Settings as PreprocessSettings


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}".upper()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _variables(field.annotation, f"{prefix}{name}__")


@pytest.mark.parametrize("page", ["security", "observability"])
def test_every_variable_is_a_setting(root: Path, page: str) -> None:
    named = set(re.findall(r"TELLTALE_[A-Z_]*[A-Z]", (root / f"docs/{page}.md").read_text()))
    known = {*_variables(Settings, "TELLTALE_"), *_variables(PreprocessSettings, "TELLTALE_PREPROCESS_")}
    assert named
    assert named - known == set()


def test_every_metric_is_one(root: Path) -> None:
    named = set(re.findall(r"`(telltale_[a-z_]+)", (root / "docs/observability.md").read_text()))
    known = {metric.name for metric in Telemetry()._registry.collect()}
    assert {name.removesuffix("_total") for name in named if name.startswith("telltale_")} <= known
