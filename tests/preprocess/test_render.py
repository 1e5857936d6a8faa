"""``POST /render``: drawn as it is encoded, by a process that waits for its reader and ends with it."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import httpx
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from telltale_contracts import Drawing, FaceMark, Film, JudgedStretch, Moment, Overlay, Spectrogram, Stretch
from telltale_preprocess.drawing.annotate import SUSPICIOUS, UNKNOWN, UNSUSPICIOUS

from tests import clips
from tests.preprocess.service import Service, problem_of

LEFT, RIGHT = (60.0, 60.0, 100.0, 100.0), (300.0, 300.0, 80.0, 80.0)
RED, GREEN = np.array([222, 56, 49]), np.array([46, 160, 67])


def overlay(seconds: float = 2.0) -> Overlay:
    """One suspicious face and one that is not."""
    faces = (FaceMark(track=0, box=LEFT, score=0.9), FaceMark(track=1, box=RIGHT, score=0.1))
    count = round(seconds * 2) + 1
    moments = tuple(Moment(t=i / 2, score=i / (count - 1), faces=faces) for i in range(count))
    return Overlay(moments=moments, threshold=0.5, headline="FAKE", duration_s=seconds)


def npy(array: NDArray[np.generic]) -> bytes:
    body = io.BytesIO()
    np.save(body, array)
    return body.getvalue()


def post(service: Service, media: bytes | Path, drawing: Drawing | str) -> httpx.Response:
    body = media.read_bytes() if isinstance(media, Path) else media
    text = drawing if isinstance(drawing, str) else drawing.model_dump_json()
    return service.client.post("/render", files={"media": ("a", body)}, data={"drawing": text})


@contextmanager
def streamed(service: Service, media: Path) -> Iterator[httpx.Response]:
    """A drawing that is read at the test's own pace, by a client that takes in little beforehand."""
    little = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)])
    files, data = {"media": ("a", media.read_bytes())}, {"drawing": overlay().model_dump_json()}
    with (
        httpx.Client(base_url=service.client.base_url, timeout=60.0, transport=little) as client,
        client.stream("POST", "/render", files=files, data=data) as response,
    ):
        yield response


def painters(service: Service) -> list[psutil.Process]:
    """The processes that draw."""
    found = []
    for child in psutil.Process(service.process.pid).children():
        try:
            if any("render_child" in word for word in child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_until_nobody_draws(service: Service) -> None:
    deadline = time.monotonic() + 20.0
    while painters(service):
        assert time.monotonic() < deadline, "a drawing process was left"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose drawing is larger than all buffers between a process and its reader."""
    path = tmp_path_factory.mktemp("noise") / "noise.mp4"
    random = np.random.default_rng(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = 960, 960, "yuv420p"
        for _ in range(80):
            frame = av.VideoFrame.from_ndarray(random.integers(0, 255, (960, 960, 3), dtype=np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def frames_of(body: bytes) -> list[tuple[float, NDArray[np.uint8]]]:
    with av.open(io.BytesIO(body)) as container:
        return [(float(f.time or 0.0), f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def sound_of(data: bytes | Path) -> tuple[str, list[bytes]]:
    with av.open(io.BytesIO(data) if isinstance(data, bytes) else str(data)) as container:
        stream = container.streams.audio[0]
        return stream.codec_context.name, [bytes(packet) for packet in container.demux(stream) if packet.size]


def test_every_frame_is_drawn_on_and_the_sound_is_the_original_one(service: Service, talking_clip: Path) -> None:
    response = post(service, talking_clip, overlay())
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "video/mp4"
    assert b"moof" in response.content
    frames = frames_of(response.content)
    with av.open(str(talking_clip)) as original:
        expected = [float(frame.time or 0.0) for frame in original.decode(video=0)]
    times = np.array([t for t, _ in frames])
    assert times == pytest.approx(np.array(expected), abs=1e-3)
    codec, packets = sound_of(response.content)
    assert codec == "aac"
    # The first packet of AAC holds what comes before the sound.
    assert packets == sound_of(talking_clip)[1][1:]


def test_boxes_are_red_from_the_threshold_on_and_green_below(service: Service, talking_clip: Path) -> None:
    _, picture = frames_of(post(service, talking_clip, overlay()).content)[20]
    for (x, y, width, height), colour in ((LEFT, RED), (RIGHT, GREEN)):
        edge = picture[round(y + height), round(x + 10) : round(x + width - 10)].astype(int)
        seen = np.median(edge, axis=0)
        assert np.abs(seen - colour).max() < 80
        assert seen.argmax() == colour.argmax()


def test_the_graph_grows_with_time(service: Service, talking_clip: Path) -> None:
    frames = frames_of(post(service, talking_clip, overlay()).content)
    height = frames[0][1].shape[0]
    below = [frame[height - height // 8 :].astype(int) for _, frame in (frames[2], frames[-2])]
    painted = [int((np.ptp(strip, axis=2) > 60).sum()) for strip in below]
    assert painted[1] > 2 * painted[0]


def test_sound_that_an_mp4_cannot_hold_is_coded_anew(service: Service, tmp_path: Path, voice: clips.Sound) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = container.add_stream("flac", rate=16_000)
        audio.layout = "mono"
        for _ in range(50):
            container.mux(video.encode(av.VideoFrame.from_ndarray(clips.meadow(240, 320), "rgb24")))
        container.mux(video.encode())
        pcm = (np.clip(voice[:32_000], -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        container.mux(audio.encode(frame))
        container.mux(audio.encode())
    body = post(service, path, overlay()).content
    assert sound_of(body)[0] == "aac"
    with av.open(io.BytesIO(body)) as container:
        heard = np.concatenate([f.to_ndarray().mean(axis=0) for f in container.decode(audio=0)])
    assert len(heard) == pytest.approx(32_000, abs=3_000)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(np.mean(voice[:32_000] ** 2)), rel=0.1)


def test_a_process_waits_for_a_slow_reader_and_then_goes_on(service: Service, noise: Path) -> None:
    with streamed(service, noise) as response:
        assert "content-length" not in response.headers
        pieces = response.iter_bytes()
        body = bytearray(next(pieces))
        (painter,) = painters(service)
        spent = -1.0
        deadline = time.monotonic() + 60.0
        while (now := sum(painter.cpu_times()[:2])) != spent:
            assert time.monotonic() < deadline, "it never waited"
            spent = now
            time.sleep(0.5)
        assert painter.status() == psutil.STATUS_SLEEPING
        for piece in pieces:
            body += piece
    assert len(frames_of(bytes(body))) == 80
    wait_until_nobody_draws(service)


def test_a_process_ends_when_nobody_reads_any_more(service: Service, noise: Path) -> None:
    with streamed(service, noise) as response:
        pieces = response.iter_bytes()
        next(pieces)
        assert len(painters(service)) == 1
    wait_until_nobody_draws(service)
    assert service.client.get("/health").status_code == 200


def test_a_drawing_whose_process_is_killed_breaks_off(service: Service, noise: Path) -> None:
    with streamed(service, noise) as response:
        pieces = response.iter_bytes()
        next(pieces)
        painters(service)[0].kill()
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    wait_until_nobody_draws(service)


def test_more_drawings_than_allowed_are_told_to_come_back(service: Service, noise: Path) -> None:
    with streamed(service, noise) as first, streamed(service, noise) as second:
        assert first.status_code == second.status_code == 200
        refused = post(service, noise, overlay())
        assert problem_of(refused).code == "busy"
        assert refused.headers["retry-after"]
    wait_until_nobody_draws(service)
    assert post(service, b"", overlay()).status_code == 422


def test_pictures_become_a_film(service: Service) -> None:
    pictures = np.full((3, 96, 128, 3), 120, np.uint8)
    mark = FaceMark(track=0, box=(40, 50, 30, 30), score=0.8)
    moments = tuple(Moment(t=t, score=0.8, faces=(mark,)) for t in (0.5, 1.0, 2.0))
    film = Film(moments=moments, threshold=0.5, headline="FAKE", duration_s=3.0)
    frames = frames_of(post(service, npy(pictures), film).content)
    assert [t for t, _ in frames] == pytest.approx([0.0, 0.5, 1.0, 2.0, 3.0], abs=0.02)
    assert np.abs(frames[0][1][80, 45:65].astype(int).mean(axis=0) - RED).max() < 80
    assert np.abs(frames[0][1][65, 55].astype(int) - 120).max() < 10, "a box is not filled"


def spectrogram_of(service: Service, spectra: NDArray[np.float32], drawing: Spectrogram) -> NDArray[np.int64]:
    """The picture as it is answered, [height, width, 3]."""
    response = post(service, npy(spectra), drawing)
    assert response.headers["content-type"] == "image/png", response.text
    return np.asarray(Pillow.open(io.BytesIO(response.content)).convert("RGB")).astype(np.int64)


def test_spectra_become_a_picture_that_is_bright_where_they_are_loud(service: Service) -> None:
    spectra = np.full((2, 257, 50), -20.0, np.float32)
    spectra[:, 200:, :] = 0.0
    stretches = (Stretch(start=0, end=2), Stretch(start=2, end=4))
    drawing = Spectrogram(duration_s=4.0, stretches=stretches, sample_rate=16_000, threshold=0.5)
    picture = spectrogram_of(service, spectra, drawing).mean(axis=2)
    assert picture[40:80, 200:900].mean() > 150
    assert picture[250:370, 200:900].mean() < 30


def test_each_second_of_a_sound_is_drawn_once_in_its_place(service: Service) -> None:
    """Spectra that are loud from 3.6 to 3.7 s of 5.33, which the last two hold both, and nowhere else."""
    stretches = tuple(Stretch(start=start, end=start + 2) for start in (0.0, 2.0, 3.33))
    spectra = np.full((3, 257, 200), -20.0, np.float32)
    spectra[1, :, 160:170] = spectra[2, :, 27:37] = 0.0
    judged = (JudgedStretch(start=0, end=4, score=0.1), JudgedStretch(start=3, end=4.5, score=0.9))
    drawing = Spectrogram(duration_s=5.33, stretches=stretches, judged=judged, sample_rate=16_000, threshold=0.5)
    picture = spectrogram_of(service, spectra, drawing)
    loud = np.flatnonzero(picture[100:300, 64 : 64 + 1100].mean(axis=(0, 2)) > 100)
    assert loud.tolist() == list(range(loud[0], loud[-1] + 1))
    assert loud[[0, -1]] / 1100 * 5.33 == pytest.approx([3.6, 3.7], abs=0.02)
    bar = picture[28 + 360 + 8, 64 : 64 + 1100]
    expected = ((UNSUSPICIOUS, 0.0, 3.0), (SUSPICIOUS, 3.0, 4.5), (UNKNOWN, 4.5, 5.33))
    for colour, start, end in expected:
        marked = np.flatnonzero((bar == np.array(colour)).all(axis=1))
        assert [marked[0], marked[-1] + 1] == pytest.approx([start / 5.33 * 1100, end / 5.33 * 1100], abs=1.1), colour


def test_what_no_stretch_holds_is_left_out_of_a_spectrogram(service: Service) -> None:
    stretches = (Stretch(start=0, end=1), Stretch(start=3, end=4))
    drawing = Spectrogram(duration_s=4.0, stretches=stretches, sample_rate=16_000, threshold=0.5)
    picture = spectrogram_of(service, np.zeros((2, 257, 50), np.float32), drawing).mean(axis=(0, 2))
    assert picture[64 + 300 : 64 + 800].max() < 80 < picture[64 : 64 + 270].min()


ARRAYS = {
    "no array": b"abc",
    "a pickle": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}".ljust(128) + b"\n",
    "another type": npy(np.zeros((3, 64, 64, 3), np.float32)),
    "another number": npy(np.zeros((2, 64, 64, 3), np.uint8)),
    "nothing": npy(np.zeros((0, 64, 64, 3), np.uint8)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_does_not_fit_is_refused(service: Service, name: str) -> None:
    moments = tuple(Moment(t=t, score=None) for t in (0.0, 1.0, 2.0))
    film = Film(moments=moments, threshold=0.5, headline="", duration_s=3.0)
    assert problem_of(post(service, ARRAYS[name], film)).code == "bad_drawing"


def test_what_is_no_video_cannot_be_drawn_on(service: Service) -> None:
    assert problem_of(post(service, clips.PORTRAIT, overlay())).code == "no_moving_picture"
    assert problem_of(post(service, b"not media at all " * 50, overlay())).code == "not_media"
    assert problem_of(post(service, b"", overlay())).code == "empty_media"
    wait_until_nobody_draws(service)


@pytest.mark.parametrize("drawing", ["", "{}", '{"kind": "smell"}', '{"kind": "film", "moments": []}'])
def test_a_bad_drawing_is_refused(service: Service, drawing: str) -> None:
    assert problem_of(post(service, clips.PORTRAIT, drawing)).code == "bad_drawing"
