"""The detectors of programs, against answers over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from telltale import (
    AsyncDetector,
    Detector,
    DetectorResult,
    FaceScore,
    GatewayProblem,
    PartialScore,
    Rules,
    SuspiciousStretch,
    UnexpectedAnswer,
    Verdict,
)

from tests.client.canned import VERDICT, canned, problem, verdict

AUDIO = {
    "prediction": "FAKE",
    "confidence": 0.9,
    "model": "voice:1",
    "processing_time": 0.1,
    "details": {"audio_duration": 4.0, "sample_rate": 16000, "features_extracted": ["waveform"]},
}
IMAGE = {
    **AUDIO,
    "faces_detected": 1,
    "details": {"face_locations": [[1, 2, 3, 4]], "image_size": [10, 10], "manipulation_regions": []},
}
VIDEO = {
    **AUDIO,
    "frames_analyzed": 3,
    "details": {"video_duration": 1.0, "fps": 25.0, "temporal_consistency": 0.9, "suspicious_frames": [7]},
}
MULTIMODAL = {
    "final_prediction": "FAKE",
    "confidence": 0.9,
    "individual_scores": {"audio": {"prediction": "REAL", "confidence": 0.8, "weight": 0.5}},
    "fusion_method": "majority_vote",
    "processing_time": 0.2,
    "explanation": ["so"],
}


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"the media")
    return path


def asked(url: str, asynchronous: bool, what: Callable[[Any], Any], **options: Any) -> Any:
    """Ask through either detector."""
    if not asynchronous:
        with Detector(url, **options) as detector:
            return what(detector)

    async def ask() -> Any:
        async with AsyncDetector(url, **options) as detector:
            return await what(detector)

    return asyncio.run(ask())


both = pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "asyncio"])


@both
def test_a_verdict_is_typed_and_the_file_is_sent(clip: Path, asynchronous: bool) -> None:
    with canned((200, VERDICT)) as gateway:
        found = asked(
            gateway.url,
            asynchronous,
            lambda d: d.predict(clip, fps=2.0, max_frames=4, detectors=["a", "b"], explain=True),
            api_key="tt_key",
        )
    assert isinstance(found, Verdict)
    assert (found.label, found.score, found.untested) == ("fake", 0.9, ("whole_image",))
    assert isinstance(found.detectors[0], DetectorResult)
    assert found.detectors[0].contribution == 2.1
    assert found.frame_samples[0].faces == (FaceScore(0, (1.0, 2.0, 3.0, 4.0), 0.9),)
    assert found.frame_samples[1].score is None
    assert found.detectors[0].heatmaps[0].grid == ((0.1, -0.2), (0.3, 0.0))
    assert found.detectors[0].heatmaps[0].box == (1.0, 2.0, 3.0, 4.0)
    assert found.findings.suspicious == (SuspiciousStretch("picture", 0.0, 0.75, 0.9),)
    assert found.findings.temporal is not None
    assert (found.findings.temporal.trend, found.findings.regions[0].share) == ("stable", 0.75)
    assert found.rules == Rules((0.25, 0.75), 0.2, 0.8)
    assert found.raw["detectors"][0]["of_a_newer_gateway"]
    path, headers, body = gateway.asked[0]
    assert path == "/predict?explain=true&fps=2.0&max_frames=4&detectors=a%2Cb"
    assert headers["X-API-Key"] == "tt_key"
    assert b'name="file"; filename="clip.mp4"' in body
    assert b"the media" in body


@both
def test_each_kind_of_media_has_its_call(clip: Path, asynchronous: bool) -> None:
    calls: list[tuple[str, dict[str, Any], Callable[[Any], Any]]] = [
        ("/detect/audio", AUDIO, lambda d: d.detect_audio(b"sound")),
        ("/detect/image", IMAGE, lambda d: d.detect_image(clip)),
        ("/detect/video", VIDEO, lambda d: d.detect_video(str(clip))),
    ]
    for path, answer, call in calls:
        with canned((200, answer)) as gateway:
            found = asked(gateway.url, asynchronous, call, token="a.b.c")  # noqa: S106
        assert (gateway.asked[0][0], found.prediction, found.details) == (path, "FAKE", answer["details"])
        assert gateway.asked[0][1]["Authorization"] == "Bearer a.b.c"


@both
def test_several_media_at_once(clip: Path, asynchronous: bool) -> None:
    def ask(detector: Any) -> Any:
        return detector.detect_multimodal(
            audio=clip, image=b"picture", fusion_method="majority_vote", weights={"audio": 0.3}
        )

    with canned((200, MULTIMODAL)) as gateway:
        found = asked(gateway.url, asynchronous, ask)
    assert found.individual_scores == {"audio": PartialScore("REAL", 0.8, 0.5)}
    body = gateway.asked[0][2]
    for part in (b'name="audio"; filename="clip.mp4"', b'name="image"', b"majority_vote", b'{"audio": 0.3}'):
        assert part in body
    assert b'name="video"' not in body
    with pytest.raises(ValueError, match="at least one"):
        Detector(gateway.url).detect_multimodal()


@both
@pytest.mark.parametrize("status", [503, 429])
def test_what_is_busy_is_asked_again_when_it_says_with_the_whole_file(
    clip: Path, asynchronous: bool, status: int
) -> None:
    with canned((status, problem(status, "busy"), "0"), (200, VERDICT)) as gateway:
        assert asked(gateway.url, asynchronous, lambda d: d.predict(clip)).label == "fake"
    assert [b"the media" in body for _, _, body in gateway.asked] == [True, True]


def test_the_seconds_that_it_says_are_waited_for(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    with canned((429, problem(429, "x"), "7"), (503, problem(503, "x"), "9999"), (200, VERDICT)) as gateway:
        Detector(gateway.url).predict(clip)
    assert slept == [7.0, 60.0]


@both
def test_it_gives_up_in_the_end_and_says_what_the_gateway_said(clip: Path, asynchronous: bool) -> None:
    with canned((503, problem(503, "busy"), "0")) as gateway, pytest.raises(GatewayProblem) as raised:
        asked(gateway.url, asynchronous, lambda d: d.predict(clip), attempts=3)
    said = raised.value
    assert len(gateway.asked) == 3
    assert (said.status, said.code, said.request_id, said.retry_after_s) == (503, "busy", "r", 0.0)


@pytest.mark.parametrize("status", [400, 401, 403, 413, 415, 422, 500, 504])
def test_what_would_fail_again_is_not_asked_again(clip: Path, status: int) -> None:
    with canned((status, problem(status, "no"))) as gateway, pytest.raises(GatewayProblem):
        Detector(gateway.url).predict(clip)
    assert len(gateway.asked) == 1


def test_what_is_not_telltale_is_said_to_be_not(clip: Path) -> None:
    with canned((200, "<html>")) as gateway, pytest.raises(GatewayProblem, match="not JSON"):
        Detector(gateway.url).predict(clip)
    with canned((404, "<html>")) as gateway, pytest.raises(GatewayProblem, match="HTTP 404"):
        Detector(gateway.url).predict(clip)
    lacking = {name: value for name, value in verdict().items() if name != "score"}
    with canned((200, lacking)) as gateway, pytest.raises(UnexpectedAnswer, match="lacks score"):
        Detector(gateway.url).predict(clip)
    with canned((200, [])) as gateway, pytest.raises(UnexpectedAnswer, match="should be an object"):
        Detector(gateway.url).predict(clip)


def test_nobody_there_and_nobody_in_time(clip: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(GatewayProblem) as raised:
            Detector(url, attempts=1).predict(clip)
        assert (raised.value.code, raised.value.status) == ("unreachable", None)
        listener.listen()
        with pytest.raises(GatewayProblem) as raised:
            Detector(url, attempts=1, timeout_s=0.2).predict(clip)
        assert raised.value.code == "timeout"


def test_a_file_that_is_not_there_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    with canned((200, VERDICT)) as gateway, pytest.raises(FileNotFoundError):
        Detector(gateway.url).predict(tmp_path / "none.mp4")
    assert gateway.asked == []


def test_one_credential_is_enough() -> None:
    with pytest.raises(ValueError, match="not both"):
        Detector(api_key="a", token="b")  # noqa: S106


def test_the_verdict_survives_json_as_it_came(clip: Path) -> None:
    with canned((200, VERDICT)) as gateway:
        assert json.loads(json.dumps(Detector(gateway.url).predict(clip).raw)) == VERDICT
