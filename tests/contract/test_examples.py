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
from tests.contract.test_views import GETS, POSTS, golden

WRITTEN = Path(telltale_gateway.api.__file__).parent / "examples.json"

STANDINS: dict[str, Any] = {
    "id": "5d0c7f2e9a4b4c1f8e3a6b7d2c9f1e04",
    "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "artifact_sha256": "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
    "timestamp": "2026-01-31T12:00:00Z",
    "latency_ms": 184.2,
    "timings_ms": {"upload": 3.1, "decode": 61.0, "faces": 72.4, "features": 9.6, "wait": 8.3, "triton": 24.0,
                   "tfserving": 18.5, "fuse": 0.4},
    "processing_time": 0.1842,
    "processing_breakdown": {"upload": 0.0031, "decode": 0.061, "faces": 0.0724, "features": 0.0096, "wait": 0.0083,
                             "triton": 0.024, "tfserving": 0.0185, "fuse": 0.0004, "visualization": 0.212},
    "spectrogram_url": "/visualization/Zk3vQ9fZ1LrT8mXw2BnY6p.png",
    "spectrogram_data": "iVBORw0KGgo=",
    "visualization_filename": "Hc7Kq2TnX4vWb9RmJ6sLdA.mp4",
    "platform": "Linux",
    "python": "3.11.2",
    "cpus": 8,
    "load_average": [0.7, 0.5, 0.4],
    "peak_memory_mb": 164.0,
    "requests": 1204,
    "requests_by_status": {"200": 1190, "415": 14},
    "verdicts": 640,
    "verdicts_by_label": {"fake": 210, "real": 390, "uncertain": 40},
    "verdicts_by_modality": {"audio": 40, "image": 300, "video": 300},
}  # fmt: skip
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
    text = json.dumps(_filled(golden(SHOWN[operation])), ensure_ascii=False)
    return json.loads(re.sub("|".join(map(re.escape, NAMES)), lambda found: NAMES[found[0]], text))


def _filled(answer: Any, key: str = "") -> Any:
    if isinstance(answer, str) and re.fullmatch(r"<\w+>", answer):
        return STANDINS[key]
    if isinstance(answer, dict):
        return {name: _filled(value, name) for name, value in answer.items()}
    return [_filled(value) for value in answer] if isinstance(answer, list) else answer


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
