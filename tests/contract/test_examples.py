"""The examples of the OpenAPI document are the golden answers, with something in the place of what is volatile.

``TELLTALE_WRITE_GOLDEN=1`` writes them anew, from the golden files as they are then.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import telltale_gateway.api

from tests.contract.likeness import VOLATILE
from tests.contract.standins import STANDINS, filled
from tests.contract.test_views import GETS, POSTS, golden

WRITTEN = Path(telltale_gateway.api.__file__).parent / "examples.json"

# The golden answers are those of toys.
NAMES = {
    "toy-face": "face-blend",
    "toy-synthesis": "face-synthesis",
    "toy-voice": "voice-vocoder",
    "Toy for tests: mean brightness of the face.": "Tells a blended face by its seam.",
    "Toy for tests: mean darkness of the face.": "Tells a generated face from a photographed one.",
    "Toy for tests: mean loudness.": "Tells synthetic speech from recorded speech.",
}

# One name for each operation: of several golden files the first.
SHOWN = {
    **{f"POST {POSTS[name][0].partition('?')[0]}": name for name in reversed(POSTS)},
    **{f"GET {path}": name for name, (path, _) in GETS.items()},
}


def example(operation: str) -> Any:
    """The golden answer of an operation, with nothing volatile in it."""
    text = json.dumps(filled(golden(SHOWN[operation])), ensure_ascii=False)
    return json.loads(re.sub("|".join(map(re.escape, NAMES)), lambda found: NAMES[found[0]], text))


def test_the_examples_are_the_golden_answers() -> None:
    examples = {operation: example(operation) for operation in sorted(SHOWN)}
    if os.environ.get("TELLTALE_WRITE_GOLDEN"):
        WRITTEN.write_text(json.dumps(examples, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(WRITTEN.read_text(encoding="utf-8")) == examples


@pytest.mark.parametrize("operation", SHOWN)
def test_an_example_is_an_answer(operation: str) -> None:
    name = SHOWN[operation]
    model = GETS[name][1] if name in GETS else POSTS[name][3]
    shown = example(operation)
    assert model.model_validate(shown).model_dump(mode="json") == shown


def test_whatever_is_volatile_has_something_in_its_place() -> None:
    assert STANDINS.keys() == VOLATILE
