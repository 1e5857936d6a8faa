"""An upload becomes a verdict, through every server."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image
from telltale_contracts import Problem, VersionCard

from tests import clips
from tests.integration.stack import RunningStack


def verdict_of(stack: RunningStack, media: Path, **query: str) -> dict:  # type: ignore[type-arg]
    response = stack.predict(media, **query)
    assert response.status_code == 200, response.text
    verdict: dict = response.json()  # type: ignore[type-arg]
    return verdict


def by_name(verdict: dict) -> dict[str, dict]:  # type: ignore[type-arg]
    return {detector["name"]: detector for detector in verdict["detectors"]}


def test_a_talking_face_is_looked_at_and_listened_to(stack: RunningStack, media: dict[str, Path]) -> None:
    verdict = verdict_of(stack, media["face and voice"], max_frames="8")
    detectors = by_name(verdict)
    assert {name: d["status"] for name, d in detectors.items()} == dict.fromkeys(detectors, "scored")
    assert detectors["toy-face"]["server"] == "triton"
    assert detectors["toy-synthesis"]["server"] == "tfserving"
    assert detectors["toy-face"]["items"] == len(verdict["frame_samples"]) == 8
    assert verdict["modality"] == "video"
    assert not verdict["degraded"]
    assert verdict["sha256"] == hashlib.sha256(media["face and voice"].read_bytes()).hexdigest()
    assert verdict["version"] == "toy-face:1,toy-synthesis:1,toy-voice:1"
    assert len(verdict["tracks"]) == 1
    assert verdict["tracks"][0]["frames"] == 8
    assert verdict["audio_segments"]
    assert verdict["meta"]["video_codec"] == "h264"
    assert set(verdict["timings_ms"]) >= {"upload", "decode", "faces", "features", "triton", "tfserving", "fuse"}


def test_the_toys_see_the_same_face_from_two_sides(stack: RunningStack, media: dict[str, Path]) -> None:
    """toy-face answers the brightness of the crop, toy-synthesis 1 - that of a tighter one."""
    detectors = by_name(verdict_of(stack, media["still"]))
    bright, dark = detectors["toy-face"]["raw_score"], detectors["toy-synthesis"]["raw_score"]
    picture = clips.portrait()
    faces = verdict_of(stack, media["still"])["frame_samples"][0]["faces"]
    x, y, w, h = (round(v) for v in faces[0]["box"])
    assert 1.0 - dark == pytest.approx(picture[y : y + h, x : x + w].mean() / 255, abs=0.03)
    assert bright != pytest.approx(1.0 - dark, abs=1e-4)


def test_scores_name_the_version_and_the_bytes_that_gave_them(stack: RunningStack, media: dict[str, Path]) -> None:
    for name, detector in by_name(verdict_of(stack, media["still"])).items():
        if detector["status"] == "scored":
            card = VersionCard.from_yaml(stack.repository / name / "1/card.yaml")
            assert detector["artifact_sha256"] == card.artifact.sha256


def test_the_same_upload_gets_the_same_scores(stack: RunningStack, media: dict[str, Path]) -> None:
    first, second = (verdict_of(stack, media["face and voice"]) for _ in range(2))
    assert first["score"] == second["score"]
    assert first["frame_samples"] == second["frame_samples"]


def test_a_large_upload_which_is_sent_on_while_it_arrives_gets_the_scores_of_a_small_one(
    stack: RunningStack, tmp_path: Path
) -> None:
    picture = Image.fromarray(clips.portrait()).resize((700, 700))
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    picture.save(small, compress_level=9)
    picture.save(large, compress_level=0)
    assert small.stat().st_size < 1 << 20 < large.stat().st_size
    first, second = (by_name(verdict_of(stack, media)) for media in (small, large))
    assert {name: each["raw_score"] for name, each in first.items()} == {
        name: each["raw_score"] for name, each in second.items()
    }


def test_speech_without_a_face_is_not_an_error(stack: RunningStack, media: dict[str, Path]) -> None:
    verdict = verdict_of(stack, media["voice alone in a meadow"])
    detectors = by_name(verdict)
    assert detectors["toy-voice"]["status"] == "scored"
    assert detectors["toy-face"]["status"] == detectors["toy-synthesis"]["status"] == "not_applicable"
    assert detectors["toy-face"]["score"] is None
    assert "face" in detectors["toy-face"]["reason"]
    assert set(verdict["forgeries"]) == {"voice"}


def test_sound_alone_is_listened_to(stack: RunningStack, media: dict[str, Path]) -> None:
    verdict = verdict_of(stack, media["voice"])
    assert verdict["modality"] == "audio"
    assert by_name(verdict)["toy-voice"]["status"] == "scored"
    assert verdict["untested"] == []


def test_a_silent_clip_is_looked_at(stack: RunningStack, media: dict[str, Path]) -> None:
    detectors = by_name(verdict_of(stack, media["face"]))
    assert detectors["toy-voice"]["status"] == "not_applicable"
    assert detectors["toy-face"]["status"] == "scored"


def test_detectors_can_be_chosen(stack: RunningStack, media: dict[str, Path]) -> None:
    verdict = verdict_of(stack, media["face and voice"], detectors="toy-voice")
    assert list(by_name(verdict)) == ["toy-voice"]
    assert "face_swap" in verdict["untested"]


def test_what_a_file_is_called_does_not_matter(stack: RunningStack, media: dict[str, Path], tmp_path: Path) -> None:
    disguised = tmp_path / "../evil name.wav"
    disguised.write_bytes(media["still"].read_bytes())
    assert verdict_of(stack, disguised)["modality"] == "image"


def test_fps_and_max_frames_are_followed(stack: RunningStack, media: dict[str, Path]) -> None:
    assert len(verdict_of(stack, media["face"], fps="2")["frame_samples"]) == 4
    assert len(verdict_of(stack, media["face"], max_frames="5")["frame_samples"]) == 5


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height), 128).save(buffer, "PNG")
    return buffer.getvalue()


def truncated(media: dict[str, Path]) -> bytes:
    data = media["face"].read_bytes()
    return data[: len(data) // 2]


BAD = {
    "empty file": (lambda _: b"", {422}),
    "text named mp4": (lambda _: b"this is not a film\n" * 100, {415}),
    "truncated video": (truncated, {422}),
    "video without a face": (lambda m: m["meadow"].read_bytes(), {422}),
    "sound without speech": (lambda m: m["tone"].read_bytes(), {422}),
    "picture of one pixel": (lambda _: png(1, 1), {422}),
    "picture of 50 megapixels": (lambda _: png(10_000, 5_000), {413}),
    "upload of 101 MB": (lambda _: bytes(101_000_000), {413}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_what_it_is(stack: RunningStack, media: dict[str, Path], tmp_path: Path, name: str) -> None:
    make, statuses = BAD[name]
    path = tmp_path / "upload.mp4"
    path.write_bytes(make(media))
    response = stack.predict(path)
    assert response.status_code in statuses, response.text
    problem = Problem.model_validate_json(response.content)
    assert response.headers["content-type"] == "application/problem+json"
    assert problem.hint
    assert problem.code not in {"internal_error", "not_found"}
    assert problem.request_id == response.headers["X-Request-ID"]
    assert str(tmp_path) not in response.text
    assert stack.predict(media["still"]).status_code == 200, "the next request was not served"
