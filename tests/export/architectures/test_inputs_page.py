"""docs/inputs.md says of every architecture what its detectors ask preprocessing for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter
from telltale_contracts import InputSpec, Sampling
from telltale_export.architectures import architectures

PAGE = Path(__file__).parents[3] / "docs/inputs.md"
SPECS: TypeAdapter[InputSpec] = TypeAdapter(InputSpec)


def _sections() -> dict[str, str]:
    """The text below each heading that names architectures, by their names."""
    sections = {}
    for section in re.split(r"^##+ ", PAGE.read_text(), flags=re.MULTILINE):
        heading, _, text = section.partition("\n")
        for name in re.split(r", | and ", heading.partition(" (")[0]):
            sections[name] = text
    return {name: text for name, text in sections.items() if "```yaml" in text}


def _specs(text: str) -> list[InputSpec]:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [SPECS.validate_python(yaml.safe_load(block)) for block in blocks]


def test_the_page_and_the_catalogue_name_the_same() -> None:
    assert set(_sections()) == set(architectures())


@pytest.mark.parametrize("name", architectures())
def test_the_page_says_what_is_asked_for(name: str) -> None:
    assert architectures()[name].input.key() in [spec.key() for spec in _specs(_sections()[name])]


@pytest.mark.parametrize("name", architectures())
def test_the_page_says_which_frames(name: str) -> None:
    said = re.findall(r"`sampling: (\{.*?\})`", _sections()[name])
    asked = architectures()[name].sampling
    assert [Sampling.model_validate(yaml.safe_load(each)) for each in said] == ([] if asked is None else [asked])


def test_the_page_says_nothing_else() -> None:
    asked = {architecture.input.key() for architecture in architectures().values()}
    assert {spec.key() for spec in _specs(PAGE.read_text())} == asked
