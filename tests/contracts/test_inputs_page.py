"""docs/inputs.md: every spec on it is one, and every published architecture is on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import TypeAdapter
from telltale_contracts import InputSpec, Lfcc

PAGE = Path(__file__).resolve().parents[2] / "docs/inputs.md"
ARCHITECTURES = (
    "meso4", "mesoinception4", "xception", "efficientnet-b0-64", "efficientnet-b0 and efficientnet-b3",
    "efficientnet-b7", "efficientnet-b0-3d-attention", "resnext50-lstm", "siglip-lstm-v1",
    "siglip-lstm-v3", "siglip-lstm-v4", "color-cues-lstm", "eyeblink-cnn-lstm",
    "aasist", "aasist-l", "lfcc-lcnn", "scattering-wave",
)  # fmt: skip


def specs_of_the_page() -> list[InputSpec]:
    """Every YAML block, in order."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [TypeAdapter[InputSpec](InputSpec).validate_python(yaml.safe_load(block)) for block in blocks]


def test_every_block_is_a_spec_and_says_all_that_it_means() -> None:
    specs = specs_of_the_page()
    assert len(specs) == 14
    assert len({spec.key() for spec in specs}) == len(specs)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_published_architecture_is_on_it(architecture: str) -> None:
    headings = [line for line in PAGE.read_text().splitlines() if line.startswith("### ")]
    assert any(architecture in heading for heading in headings)


def test_every_kind_is_in_its_table() -> None:
    kinds = {str(spec.model_fields["kind"].default) for spec in get_args(get_args(InputSpec)[0])}
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert len(kinds) == 10
    assert all(any(f"`{kind}`" in row for row in rows) for kind in kinds)


def test_the_baselines_floor_is_the_smallest_step_of_a_float32() -> None:
    (spec,) = (spec for spec in specs_of_the_page() if isinstance(spec, Lfcc))
    assert spec.floor == 2**-23
    assert spec.frames == 1 + 64_000 // 160
