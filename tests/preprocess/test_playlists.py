"""Files that name other files or hosts: nothing else is opened, nobody is called."""

from __future__ import annotations

import ctypes
import io
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from telltale_contracts import FaceCrop, Image, Recipe, Waveform

from tests import clips
from tests.preprocess.coded import steady, write_coded
from tests.preprocess.service import Service

EVERYTHING = Recipe(inputs=(FaceCrop(size=64), Image(size=64), Waveform(samples=16_000)))
IN_OPEN = 0x20


@dataclass
class Trap:
    """A file whose every opening and a port whose every caller are noticed."""

    canary: Path
    listener: socket.socket
    watch: int

    @property
    def port(self) -> int:
        """Of the loopback."""
        return int(self.listener.getsockname()[1])

    def opened(self) -> bool:
        """Whether anybody has opened the file since the last call (inotify(7))."""
        try:
            return bool(os.read(self.watch, 4096))
        except BlockingIOError:
            return False

    def called(self) -> bool:
        """Whether anybody has connected."""
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@contextmanager
def set_trap(folder: Path) -> Iterator[Trap]:
    """A canary that is a clip, so that every reader would go on reading it."""
    canary = write_coded(folder / "canary.ts", steady(10))
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, str(canary).encode(), IN_OPEN) >= 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield Trap(canary, listener, watch)
    os.close(watch)


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    """One for each test."""
    with set_trap(tmp_path) as prepared:
        yield prepared


def hls(target: str) -> bytes:
    """A playlist of segments (RFC 8216)."""
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n".encode()


def master(target: str) -> bytes:
    """A playlist of playlists, with a key to fetch."""
    head = f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="{target}"\n'
    return f'{head}#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\n{target}\n'.encode()


def concat(target: str) -> bytes:
    """A script for FFmpeg's concat demuxer."""
    return f"ffconcat version 1.0\nfile '{target}'\nduration 10\n".encode()


def dash(target: str) -> bytes:
    """A manifest (ISO/IEC 23009-1)."""
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
        ' mediaPresentationDuration="PT10S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1" width="64" height="64">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ).encode()


def sdp(target: str) -> bytes:
    """A session to join (RFC 8866)."""
    port = target.rpartition(":")[2].partition("/")[0] if target.startswith("http") else "5004"
    return (
        f"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=control:{target}\r\n"
        f"m=video {port} TCP 96\r\na=rtpmap:96 H264/90000\r\n"
    ).encode()


def subtitles(target: str) -> bytes:
    """A script of subtitles that calls for a font and a picture."""
    return f"[Script Info]\nScriptType: v4.00+\n[Fonts]\nfontname: {target}\n[Graphics]\nfilename: {target}\n".encode()


def vobsub(target: str) -> bytes:
    """An index of subtitles, whose pictures lie in another file."""
    return f"# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\nfile: {target}\n".encode()


def smil(target: str) -> bytes:
    """An old kind of presentation."""
    return f'<smil><body><video src="{target}"/></body></smil>'.encode()


def svg(target: str) -> bytes:
    """A drawing that includes a picture."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="99" height="99">'
        f'<image xlink:href="{target}" width="99" height="99"/></svg>'
    ).encode()


def postscript(target: str) -> bytes:
    """A program that reads a file, if an interpreter is asked."""
    return f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n({target}) (r) file\n".encode()


def asx(target: str) -> bytes:
    """Windows Media's playlist."""
    return f'<asx version="3.0"><entry><ref href="{target}"/></entry></asx>'.encode()


def reference_movie(target: str) -> bytes:
    """A QuickTime film whose samples lie in another file (an alias with an absolute path, as libavformat reads it)."""
    body = bytearray(_film())
    place = body.index(b"dref")
    path = target.encode() + bytes(len(target) % 2)
    alias = (
        bytes(10 + 1 + 27 + 12 + 1 + 63 + 16 + 2 + 2 + 16) + struct.pack(">HH", 2, len(path)) + path + b"\xff\xff\0\0"
    )
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    old = body[place + 12 : place + 24]
    assert old[4:8] in (b"url ", b"alis")
    body[place + 12 : place + 24] = entry
    grown = len(entry) - len(old)
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = body.index(kind) - 4
        body[at : at + 4] = struct.pack(">I", struct.unpack(">I", body[at : at + 4])[0] + grown)
    return bytes(body)


def _film() -> bytes:
    body = io.BytesIO()
    with av.open(body, "w", format="mov") as output:
        stream = output.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        output.mux(stream.encode())
    return body.getvalue()


Maker = Callable[[str], bytes]
KINDS: tuple[Maker, ...] = (
    hls,
    master,
    concat,
    dash,
    sdp,
    subtitles,
    vobsub,
    smil,
    svg,
    postscript,
    asx,
    reference_movie,
)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    "scheme", ["file://{path}", "{path}", "http://127.0.0.1:{port}/a.ts", "tcp://127.0.0.1:{port}"]
)
def test_what_a_file_names_is_neither_opened_nor_called(
    service: Service, trap: Trap, make: object, scheme: str
) -> None:
    body = make(scheme.format(path=trap.canary, port=trap.port))
    answer = service.post(body, EVERYTHING)
    assert answer.status_code in (415, 422), answer.content
    assert not trap.opened()
    assert not trap.called()


@pytest.mark.parametrize("make", [hls, concat, sdp, dash, reference_movie], ids=lambda make: make.__name__)
@pytest.mark.parametrize("target", ["/etc/passwd", "file:///etc/passwd"])
def test_nothing_of_the_passwords_comes_back(service: Service, make: Maker, target: str) -> None:
    secret = Path("/etc/passwd").read_bytes().splitlines()[0]
    assert secret not in service.post(make(target), EVERYTHING).content


def test_a_reader_without_our_limits_would_be_noticed(trap: Trap, tmp_path: Path) -> None:
    assert not trap.opened()
    for make, target in ((concat, trap.canary.name), (hls, str(trap.canary))):
        script = tmp_path / {hls: "a.m3u8", concat: "a.txt", reference_movie: "a.mov"}[make]
        script.write_bytes(make(target))
        with (
            suppress(av.FFmpegError),
            av.open(str(script), options={"safe": "0", "allowed_extensions": "ALL"}) as opened,
        ):
            next(opened.decode(video=0))
        assert trap.opened(), make.__name__
    assert not trap.called()
    script = tmp_path / "a.m3u8"
    script.write_bytes(hls(f"http://127.0.0.1:{trap.port}/a.ts"))
    options = {"protocol_whitelist": "file,http,tcp", "allowed_extensions": "ALL", "timeout": "300000"}
    with suppress(av.FFmpegError, OSError):
        av.open(str(script), options=options, timeout=1.0).close()
    assert trap.called()


def test_a_clip_that_merely_carries_subtitles_and_addresses_is_read(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as output:
        output.metadata["comment"] = "http://127.0.0.1:9/ file:///etc/passwd"
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuv420p"
        for _ in range(3):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(clips.portrait(), "rgb24")))
        output.mux(stream.encode())
    assert service.bundle(path).tensors
