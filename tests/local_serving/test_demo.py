"""What the demo prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from telltale_local import CannotStart
from telltale_local._demo import demonstrate, verdict_lines

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_verdict_is_a_line_and_a_row_for_each_detector() -> None:
    verdict = {
        "label": "fake",
        "score": 0.9712,
        "latency_ms": 812.4,
        "degraded": True,
        "detectors": [
            {"name": "face", "version": 3, "server": "triton", "status": "scored", "raw_score": 0.91, "score": 0.956},
            {"name": "voice", "version": 1, "server": "tfserving", "status": "not_applicable", "reason": "No sound."},
        ],
    }

    assert verdict_lines("clip.mp4", verdict) == [
        "",
        "clip.mp4: FAKE, P(fake) = 0.971, 812 ms, degraded",
        "  face:3                 triton     scored          raw 0.910  calibrated 0.956",
        "  voice:1                tfserving  not_applicable  No sound.",
    ]


async def test_missing_samples_are_named(tmp_path: Path) -> None:
    (tmp_path / "genuine.mp4").touch()

    with pytest.raises(
        CannotStart, match=r"no forged\.mp4, portrait\.png, portrait-forged\.png, voice-synthetic\.wav in .*make setup"
    ):
        await demonstrate("http://127.0.0.1:9", tmp_path)
