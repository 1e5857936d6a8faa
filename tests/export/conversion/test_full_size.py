"""Every architecture as large as it is published: random weights, converted, and in agreement with their framework."""

from __future__ import annotations

import pytest
from telltale_export.architectures import architectures
from telltale_export.conversion.verify import Verification, verify
from telltale_export.packaging import check_repository

from .conftest import Converter

pytestmark = pytest.mark.full_size


@pytest.mark.parametrize("name", architectures())
def test_random_weights_at_full_size(whole: Converter, name: str) -> None:
    checkpoint = whole.checkpoint(name)

    folder = whole.convert(name, checkpoint).folder

    found = verify(Verification(folder, checkpoint, random_items=2), print)
    of_each = 2 if architectures()[name].heatmap else 1
    assert [each.inputs for each in found] == ["golden"] * of_each + ["random"] * of_each
    assert len(check_repository(whole.repository)) == 1
