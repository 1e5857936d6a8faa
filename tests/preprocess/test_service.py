"""The service over HTTP: bundles, and a problem with a stable code for everything that is wrong."""

from __future__ import annotations

import io
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image as Pillow
from telltale_contracts import FaceCrop, Image, Lfcc, LogMel, LogSpectrogram, Recipe, Sampling, Waveform

from tests import clips
from tests.preprocess.coded import steady, write_coded
from tests.preprocess.service import FACES, Service, problem_of

EVERYTHING = Recipe(
    inputs=(
        FaceCrop(size=96, align="eyes"),
        Image(size=64, fit="pad"),
        Waveform(samples=32_000),
        LogSpectrogram(samples=32_000),
        LogMel(samples=32_000),
        Lfcc(samples=32_000),
    ),
    sampling=Sampling(max_frames=8),
)


def test_a_talking_clip_gives_everything(service: Service, talking_clip: Path) -> None:
    bundle = service.bundle(talking_clip, EVERYTHING)
    metadata = bundle.metadata
    assert metadata.missing == ()
    shapes = {key.split("-")[0]: tensor.shape[1:] for key, tensor in bundle.tensors.items()}
    assert shapes == {
        "face_crop": (96, 96, 3),
        "image": (64, 64, 3),
        "waveform": (32_000,),
        "log_spectrogram": (257, 197),
        "log_mel": (80, 197),
        "lfcc": (60, 197),
    }
    assert metadata.media.kind == "video"
    assert metadata.media.video_codec == "h264"
    assert metadata.media.audio_codec == "aac"
    assert [track.track for track in metadata.tracks] == [0]
    assert len(metadata.frames) == len(metadata.tracks[0].observations) == 8
    assert metadata.audio is not None
    assert metadata.audio.speech_s > 2.0
    for spec in EVERYTHING.inputs[2:]:
        segments = metadata.segments[spec.key()]
        assert len(segments) == len(bundle.tensors[spec.key()])
        assert segments[0].speech > 0.5
    assert set(metadata.timings_ms) == {"decode", "faces", "features"}


def test_a_still_has_faces_and_no_sound(service: Service) -> None:
    recipe = Recipe(inputs=(FaceCrop(size=64), Waveform(samples=16_000)))
    bundle = service.bundle(clips.PORTRAIT, recipe)
    assert bundle.tensors[recipe.inputs[0].key()].shape == (1, 64, 64, 3)
    assert [(each.reason, each.key) for each in bundle.metadata.missing] == [("no_audio", recipe.inputs[1].key())]


def test_of_media_of_another_kind_than_the_only_one_there_are_the_facts_alone(
    service: Service, talking_clip: Path
) -> None:
    recipe = EVERYTHING.model_copy(update={"only": "image"})
    bundle = service.bundle(talking_clip, recipe)
    assert bundle.metadata.media.kind == "video"
    assert (bundle.tensors, bundle.metadata.frames, bundle.metadata.missing) == ({}, (), ())
    assert set(bundle.metadata.timings_ms) == {"decode"}
    still = service.bundle(clips.PORTRAIT, Recipe(inputs=(FaceCrop(size=64),), only="image"))
    assert len(still.tensors) == 1


def test_what_is_not_there_is_said_with_numbers(service: Service, tmp_path: Path) -> None:
    recipe = Recipe(inputs=(FaceCrop(size=64), Waveform(samples=16_000)))
    clip = clips.write_video(tmp_path / "meadow.mp4", clips.meadow(), sound=clips.tone())
    missing = {each.reason: each.detail for each in service.bundle(clip, recipe).metadata.missing}
    assert missing["no_face"] == "No face was found in 32 frames."
    assert "Of 4.0 s of sound 0.0 s are speech" in missing["no_speech"]


def test_a_face_too_small_is_not_usable(service: Service, tmp_path: Path) -> None:
    portrait = Pillow.fromarray(clips.portrait()).resize((150, 150))
    bundle = service.bundle(clips.write_picture(tmp_path / "small.png", np.asarray(portrait)))
    (missing,) = bundle.metadata.missing
    assert missing.reason == "no_usable_face"
    assert "13 pixels between the eyes (16 are needed)" in missing.detail
    assert [observation.usable for track in bundle.metadata.tracks for observation in track.observations] == [False]


def test_sound_alone_has_no_picture(service: Service, tmp_path: Path, voice: clips.Sound) -> None:
    recipe = Recipe(inputs=(Image(size=64), Waveform(samples=16_000)))
    bundle = service.bundle(clips.write_wav(tmp_path / "voice.wav", voice), recipe)
    assert bundle.metadata.media.kind == "audio"
    assert [each.reason for each in bundle.metadata.missing] == ["no_picture"]
    assert len(bundle.tensors[recipe.inputs[1].key()]) > 2


def png(width: int, height: int) -> bytes:
    """A black picture."""
    body = io.BytesIO()
    Pillow.new("1", (width, height)).save(body, "PNG")
    return body.getvalue()


@pytest.mark.parametrize(
    ("media", "status", "code", "detail"),
    [
        (b"", 422, "empty_media", "0 bytes"),
        (b"To whom it may concern: this is not a film.\n" * 40, 415, "not_media", "no format"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", 415, "not_media", "no format"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", 415, "not_media", "no format"),
        (b"\0\0\0\x18ftypmp42" + bytes(400), 422, "damaged_media", "begins like media"),
        (b"\0\0\0\x18ftypheic" + bytes(400), 415, "not_media", "HEIC"),
        (png(1, 1), 422, "image_too_small", "1 x 1"),
        (png(10_000, 5_000), 413, "image_too_large", "50.0 megapixels"),
        (clips.PORTRAIT.read_bytes()[:300_000], 422, "damaged_media", "cannot be decoded"),
    ],
    ids=["empty", "text", "playlist", "concat", "no-moov", "heic", "1x1", "50mp", "cut-png"],
)
def test_bad_media_is_refused_by_name_and_the_next_request_is_served(
    service: Service, media: bytes, status: int, code: str, detail: str
) -> None:
    problem = problem_of(service.post(media))
    assert (problem.status, problem.code) == (status, code)
    assert detail in problem.detail
    assert service.post(clips.PORTRAIT).status_code == 200


def test_a_recording_too_long_is_refused(service: Service, tmp_path: Path) -> None:
    long = write_coded(tmp_path / "long.mkv", [*steady(3), 650.0])
    problem = problem_of(service.post(long))
    assert (problem.status, problem.code) == (413, "media_too_long")
    assert "600 s" in problem.detail


def test_101_megabytes_are_refused_announced_or_not(service: Service) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="media"; filename="a.mp4"\r\n\r\n'
        + bytes(101_000_000)
        + b'\r\n--b\r\nContent-Disposition: form-data; name="recipe"\r\n\r\n{}\r\n--b--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(body), 1 << 20):
            yield body[start : start + (1 << 20)]

    for content in (body, chunks()):
        problem = problem_of(service.client.post("/bundle", content=content, headers=headers))
        assert (problem.status, problem.code) == (413, "upload_too_large")


@pytest.mark.parametrize(
    ("recipe", "detail"),
    [
        ("", "recipe"),
        ("{}", "inputs"),
        ('{"inputs": [{"kind": "face_crop", "size": 4}]}', "size"),
        ('{"inputs": [{"kind": "smell"}]}', "smell"),
        ('{"inputs": [{"kind": "face_crop", "size": 64}], "sampling": {"fps": -1}}', "sampling.fps"),
        ('{"inputs": [{"kind": "face_crop", "size": 64}], "sampling": {"fps": NaN}}', "sampling.fps"),
    ],
)
def test_a_bad_recipe_names_its_field(service: Service, recipe: str, detail: str) -> None:
    problem = problem_of(service.post(clips.PORTRAIT, recipe))
    assert (problem.status, problem.code) == (400, "bad_recipe")
    assert detail in problem.detail


def test_a_recipe_that_would_fill_the_memory_is_refused(service: Service, tmp_path: Path) -> None:
    clip = write_coded(tmp_path / "clip.mp4", steady(60))
    greedy = Recipe(inputs=(Image(size=2048),), sampling=Sampling(max_frames=60))
    assert problem_of(service.post(clip, greedy)).code == "recipe_too_large"


@pytest.mark.parametrize(
    ("body", "content_type", "detail"),
    [
        (b"{}", "application/json", "application/json"),
        (b"no form at all", "multipart/form-data; boundary=b", "malformed"),
        (b'--b\r\nContent-Disposition: form-data; name="media"\r\n\r\nabc', "multipart/form-data; boundary=b", "ends"),
        (
            b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nabc\r\n--b--',
            "multipart/form-data; boundary=b",
            "media",
        ),
    ],
)
def test_a_malformed_form_is_a_problem(service: Service, body: bytes, content_type: str, detail: str) -> None:
    response = service.client.post("/bundle", content=body, headers={"content-type": content_type})
    problem = problem_of(response)
    assert (problem.status, problem.code) == (400, "bad_upload")
    assert detail in problem.detail


def test_the_frameworks_own_errors_are_problems(service: Service) -> None:
    assert problem_of(service.client.get("/nowhere")).code == "not_found"
    wrong = service.client.get("/bundle")
    assert problem_of(wrong).code == "method_not_allowed"
    assert wrong.headers["allow"] == "POST"


def test_request_ids_are_taken_over_when_they_are_sane(service: Service) -> None:
    assert service.post(b"", **{"X-Request-ID": "abc.DEF-1_2"}).headers["x-request-id"] == "abc.DEF-1_2"
    for insane in ("a b", "x" * 65, "<script>"):
        answered = problem_of(service.post(b"", **{"X-Request-ID": insane})).request_id
        assert answered is not None
        assert answered != insane
        assert len(answered) == 32


def test_nothing_of_an_upload_has_a_name_on_disk(service: Service, talking_clip: Path, scratch: Path) -> None:
    before = set(scratch.iterdir())
    service.bundle(talking_clip)
    service.post(b"not media")
    assert set(scratch.iterdir()) == before
    open_files = psutil.Process(service.process.pid).open_files()
    assert [file.path for file in open_files if "deleted" in file.path] == []


def test_the_log_is_one_json_line_a_request_with_its_stages(service: Service, service_log: Path) -> None:
    service.post(clips.PORTRAIT, **{"X-Request-ID": "a-bundle"})
    service.post(b"not media", **{"X-Request-ID": "no-bundle"})
    service.client.get("/health", headers={"X-Request-ID": "a-probe"})
    lines = [json.loads(line) for line in service_log.read_text().splitlines() if line.startswith("{")]
    told = {line.get("request_id"): line for line in lines if line["event"] == "request"}
    assert (told["a-bundle"]["route"], told["a-bundle"]["status"], told["a-bundle"]["code"]) == ("/bundle", 200, None)
    assert set(told["a-bundle"]["stages_ms"]) == {"decode", "faces", "features"}
    assert (told["no-bundle"]["status"], told["no-bundle"]["code"]) == (415, "not_media")
    assert "a-probe" not in told
    assert "notes.txt" not in service_log.read_text()


def test_whoever_hangs_up_is_counted_as_cancelled_and_not_as_a_bad_upload(service: Service) -> None:
    def count(code: str) -> float:
        lines = service.client.get("/metrics").text.splitlines()
        return sum(float(line.split()[1]) for line in lines if f'requests_total{{code="{code}"}}' in line)

    cancelled, bad = count("cancelled"), count("bad_upload")
    with socket.create_connection((service.client.base_url.host, service.client.base_url.port)) as sender:
        sender.sendall(b"POST /bundle HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n")
        sender.sendall(b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n--edge\r\n")
    for _ in range(100):
        if count("cancelled") > cancelled:
            break
        time.sleep(0.05)
    assert (count("cancelled"), count("bad_upload")) == (cancelled + 1, bad)


def test_metrics_tell_requests_stages_and_workers(service: Service) -> None:
    service.bundle(clips.PORTRAIT, FACES)
    text = service.client.get("/metrics").text
    for name in (
        'telltale_preprocess_requests_total{code="ok"}',
        'telltale_preprocess_stage_seconds_count{stage="faces"}',
        "telltale_preprocess_workers 2.0",
        "telltale_preprocess_queue 0.0",
    ):
        assert name in text
