"""The detectors of programs against the real stack: every result has the shape that its type says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from telltale import (
    AsyncDetector,
    AudioDetection,
    Detector,
    GatewayProblem,
    ImageDetection,
    MultimodalDetection,
    PartialScore,
    Verdict,
    VideoDetection,
)

from tests import clips, speech
from tests.integration.stack import RunningStack


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("media")
    voice = speech.say("The quick brown fox jumps over the lazy dog.")
    return {
        "video": clips.write_video(folder / "face.mp4", clips.portrait(), sound=voice),
        "image": clips.write_picture(folder / "still.png", clips.portrait()),
        "audio": clips.write_wav(folder / "voice.wav", voice),
    }


@pytest.fixture
def detector(toy_stack: RunningStack) -> Iterator[Detector]:
    with Detector(str(toy_stack.client.base_url)) as opened:
        yield opened


def check(kind: type[Any], found: Any) -> None:
    """See that every field holds what the type beside it says; the client itself looks no further than it must."""
    assert isinstance(found, kind)
    TypeAdapter(kind).validate_json(json.dumps(asdict(found)), strict=True)


def test_what_is_wrong_would_be_seen() -> None:
    with pytest.raises(ValidationError):
        check(PartialScore, PartialScore("FAKE", 0.5, "a half"))  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        check(PartialScore, PartialScore("fake", 0.5, 0.5))  # type: ignore[arg-type]


def test_predict(detector: Detector, media: dict[str, Path]) -> None:
    verdict = detector.predict(media["video"], max_frames=2, explain=True)
    check(Verdict, verdict)
    assert (verdict.modality, verdict.filename, len(verdict.frame_samples)) == ("video", "face.mp4", 2)
    assert any(found.heatmaps for found in verdict.detectors)
    assert verdict.findings.frames == 2
    assert detector.predict(media["image"].read_bytes()).modality == "image"


def test_each_kind_of_media(detector: Detector, media: dict[str, Path]) -> None:
    audio, image = detector.detect_audio(media["audio"]), detector.detect_image(media["image"])
    video = detector.detect_video(media["video"])
    for kind, found in ((AudioDetection, audio), (ImageDetection, image), (VideoDetection, video)):
        check(kind, found)
        assert found.model
    assert set(audio.details) == {"audio_duration", "sample_rate", "features_extracted"}
    assert set(image.details) == {"face_locations", "image_size", "manipulation_regions"}
    assert set(video.details) == {"video_duration", "fps", "temporal_consistency", "suspicious_frames"}
    assert (image.faces_detected, video.frames_analyzed > 1) == (1, True)


def test_several_media_at_once_and_for_asyncio(toy_stack: RunningStack, media: dict[str, Path]) -> None:
    async def ask() -> tuple[MultimodalDetection, VideoDetection]:
        async with AsyncDetector(str(toy_stack.client.base_url)) as detector:
            return await asyncio.gather(
                detector.detect_multimodal(
                    audio=media["audio"], image=media["image"], fusion_method="weighted_average", weights={"audio": 3}
                ),
                detector.detect_video(media["video"]),
            )

    joint, video = asyncio.run(ask())
    check(MultimodalDetection, joint)
    check(VideoDetection, video)
    assert {part: each.weight for part, each in joint.individual_scores.items()} == {"audio": 0.75, "image": 0.25}
    assert joint.fusion_method == "weighted_average"


def test_what_the_gateway_refuses_is_its_problem(detector: Detector, media: dict[str, Path]) -> None:
    with pytest.raises(GatewayProblem) as raised:
        detector.detect_image(media["video"])
    assert (raised.value.status, raised.value.code) == (415, "wrong_kind")
    assert raised.value.request_id
