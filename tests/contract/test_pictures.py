"""What is drawn: films and spectrograms that can be had under unguessable names, from one pass over the upload."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import av
import httpx
import numpy as np
from PIL import Image
from telltale_contracts import Problem

from tests.integration.stack import RunningStack


def bundles_made(stack: RunningStack) -> float:
    """How many uploads preprocessing has decoded, by its own metrics."""
    (server,) = [each for each in stack.descendants("telltale_preprocess") if "--port" in each.cmdline()]
    line = server.cmdline()
    text = httpx.get(f"http://127.0.0.1:{line[line.index('--port') + 1]}/metrics").text
    found = re.search(r'telltale_preprocess_requests_total\{code="ok"\} ([\d.]+)', text)
    return float(found[1]) if found else 0.0


def test_a_video_is_streamed_back_with_its_sound(stack: RunningStack, media: dict[str, Path]) -> None:
    sent = {"video": media["talking"].read_bytes()}
    with stack.client.stream("POST", "/analyze/visualize?max_frames=8", files=sent) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "video/mp4"
        assert "content-length" not in response.headers
        pieces = list(response.iter_raw())
    assert len(pieces) > 1
    with av.open(io.BytesIO(b"".join(pieces))) as drawn, av.open(str(media["talking"])) as original:
        assert [stream.codec_context.name for stream in drawn.streams] == ["h264", "aac"]
        frames = [frame.to_ndarray(format="rgb24") for frame in drawn.decode(video=0)]
        before = [frame.to_ndarray(format="rgb24") for frame in original.decode(video=0)]
    assert len(frames) == len(before)
    height, width = before[0].shape[:2]
    assert frames[0].shape[0] > height, "the graph is below the picture"
    changed = np.abs(frames[25][:height, :width].astype(int) - before[25].astype(int)).max(axis=2) > 60
    assert 0.002 < changed.mean() < 0.2, "a box and some words, and the rest as it was"


def test_who_leaves_ends_the_drawing(stack: RunningStack, media: dict[str, Path], tmp_path: Path) -> None:
    long = tmp_path / "long.mp4"
    noise = np.random.default_rng(1).integers(0, 60, (448, 448, 3))
    picture = np.asarray(Image.open(media["still"]).convert("RGB").resize((448, 448))).astype(int)
    with av.open(str(long), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 448, 448, "yuv420p"
        for place in range(400):
            moved = np.clip(picture + np.roll(noise, place * 7, axis=1), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, "rgb24")))
        container.mux(stream.encode())
    sent = {"video": long.read_bytes()}
    with stack.client.stream("POST", "/analyze/visualize?max_frames=4", files=sent) as response:
        assert response.status_code == 200, response.read()
        pieces = response.iter_raw()
        next(pieces)
        assert stack.descendants("render_child")
    stack.wait_until(lambda: not stack.descendants("render_child"), 20.0, "the drawing went on")


def test_all_of_it_comes_from_one_pass_over_the_upload(stack: RunningStack, media: dict[str, Path]) -> None:
    before = bundles_made(stack)
    sent = {"video": media["talking"].read_bytes()}
    answer = stack.client.post("/analyze/comprehensive?max_frames=6", files=sent).json()
    assert bundles_made(stack) == before + 1
    data = answer["data"]
    assert data["visualization_generated"] is True
    film = stack.client.get(f"/visualization/{data['visualization_filename']}")
    assert film.headers["content-type"] == "video/mp4"
    assert int(film.headers["content-length"]) == len(film.content)
    with av.open(io.BytesIO(film.content)) as drawn:
        frames = list(drawn.decode(video=0))
    assert len(frames) >= data["metrics"]["frame_count"] == 6
    assert abs(frames[0].width - frames[0].height) < 0.5 * frames[0].width


def test_the_spectrogram_is_in_the_answer_and_under_its_name(stack: RunningStack, media: dict[str, Path]) -> None:
    data = stack.client.post("/analyze/audio", files={"file": media["voice"].read_bytes()}).json()["data"]
    shown = data["visualization"]
    assert re.fullmatch(r"/visualization/[\w-]{32}\.png", shown["spectrogram_url"])
    fetched = stack.client.get(shown["spectrogram_url"])
    assert fetched.headers["content-type"] == "image/png"
    assert fetched.content == base64.b64decode(shown["spectrogram_data"])
    picture = np.asarray(Image.open(io.BytesIO(fetched.content)).convert("L"))
    assert picture.shape[1] > 1000
    assert picture.std() > 20


def test_a_name_that_was_never_given_is_not_there(stack: RunningStack) -> None:
    for name in ("a.mp4", "..%2Fetc%2Fpasswd", "x" * 300):
        answer = stack.client.get(f"/visualization/{name}")
        assert answer.status_code == 404
        assert Problem.model_validate_json(answer.content).hint
    assert Problem.model_validate_json(stack.client.get("/visualization/a.mp4").content).code == "unknown_file"


def test_names_differ_each_time(stack: RunningStack, media: dict[str, Path]) -> None:
    sent = {"file": media["voice"].read_bytes()}
    answers = [stack.client.post("/analyze/audio", files=sent).json() for _ in range(2)]
    assert len({answer["data"]["visualization"]["spectrogram_url"] for answer in answers}) == 2
