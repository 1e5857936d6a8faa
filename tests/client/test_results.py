"""The types of answers beside those of the gateway: what it gives in a verdict has a type here."""

from __future__ import annotations

import dataclasses

import pytest
import telltale
from pydantic import BaseModel
from telltale_gateway.analysis import verdict as given

from tests.client.canned import VERDICT

MODELS = [
    each
    for name, each in vars(given).items()
    if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == given.__name__ and name[0] != "_"
]


@pytest.mark.parametrize("model", [each for each in MODELS if each is not given.Meta], ids=lambda each: each.__name__)
def test_every_field_that_the_gateway_gives_is_typed(model: type[BaseModel]) -> None:
    typed = {field.name for field in dataclasses.fields(getattr(telltale, model.__name__))} - {"raw"}
    assert typed == set(model.model_fields)


def test_there_are_such_types() -> None:
    assert {given.Verdict, given.Findings, given.Heatmap} < set(MODELS)


def test_what_is_canned_is_a_verdict() -> None:
    assert given.Verdict.model_validate(VERDICT).label == "fake"
