"""A gateway on loopback that gives the answers a test wants, one after the other, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERDICT: dict[str, Any] = {
    "id": "1f",
    "label": "fake",
    "score": 0.9,
    "confidence": 0.9,
    "threshold": 0.5,
    "is_deepfake": True,
    "modality": "video",
    "filename": "clip.mp4",
    "sha256": "ab",
    "forgeries": {"face_swap": 0.9, "voice": 0.01},
    "untested": ["whole_image"],
    "detectors": [
        {
            "name": "face-blend",
            "version": 1,
            "forgery": "face_swap",
            "server": "triton",
            "artifact_sha256": "cd",
            "status": "scored",
            "reason": None,
            "raw_score": 0.99,
            "score": 0.9,
            "weight": 1.0,
            "contribution": 2.1,
            "items": 3,
            "min_items": 1,
            "tracks": 1,
            "latency_ms": 12.5,
            "heatmaps": [
                {
                    "method": "occlusion",
                    "version": 1,
                    "t": 0.5,
                    "until": 0.5,
                    "track": 0,
                    "box": [1.0, 2.0, 3.0, 4.0],
                    "score": 0.9,
                    "grid": [[0.1, -0.2], [0.3, 0.0]],
                }
            ],
            "heatmaps_missing": None,
            "instead_of": None,
            "of_a_newer_gateway": True,
        }
    ],
    "frame_samples": [
        {"t": 0.5, "score": 0.9, "faces": [{"track": 0, "box": [1.0, 2.0, 3.0, 4.0], "score": 0.9}]},
        {"t": 1.0, "score": None, "faces": []},
    ],
    "tracks": [
        {"track": 0, "score": 0.9, "first_t": 0.5, "last_t": 0.5, "frames": 1, "quality": 0.7, "thumbnail": None}
    ],
    "audio_segments": [{"start": 0.0, "end": 4.0, "score": 0.2}],
    "findings": {
        "likeliest": "face_swap",
        "decisive": "face-blend",
        "face": 0,
        "suspicious": [{"of": "picture", "start": 0.0, "end": 0.75, "peak": 0.9}],
        "unheard": [{"start": 4.0, "end": 5.0}],
        "temporal": {
            "frames": 2,
            "mean": 0.9,
            "variance": 0.0,
            "lowest": 0.9,
            "highest": 0.9,
            "consistency": 1.0,
            "slope": 0.0,
            "trend": "stable",
        },
        "regions": [{"detector": "face-blend", "t": 0.5, "track": 0, "box": [1.0, 2.0, 1.5, 2.0], "share": 0.75}],
        "agreement": [],
        "frames": 2,
        "frames_without_face": 1,
        "faces": 1,
        "faces_unjudged": 0,
    },
    "rules": {"uncertain": [0.25, 0.75], "min_face_quality": 0.2, "contradiction": 0.8},
    "explanation": ["P(fake) is 0.90: fake."],
    "degraded": False,
    "version": "face-blend:1",
    "latency_ms": 120.0,
    "timings_ms": {"decode": 20.0},
    "meta": {
        "src_fps": 25.0,
        "total_frames": 25,
        "used_step": 12,
        "face_frames": 1,
        "face_detect_rate": 0.5,
        "duration_s": 1.0,
        "width": 8,
        "height": 8,
        "container": "mp4",
        "video_codec": "h264",
        "audio_codec": "aac",
        "variable_frame_rate": False,
    },
}


def verdict(**changes: Any) -> dict[str, Any]:
    """A verdict, with changes."""
    return {**VERDICT, **changes}


def problem(status: int, code: str) -> dict[str, Any]:
    """A problem, as the gateway words them."""
    return {
        "title": code,
        "status": status,
        "detail": f"It is {code}.",
        "code": code,
        "hint": "Wait.",
        "request_id": "r",
    }


@dataclass
class Canned:
    """``answers`` are given in turn, (status, body) and perhaps Retry-After; the last one again and again."""

    answers: list[tuple[int, Any] | tuple[int, Any, str]]
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, str | None]:
        """The answer whose turn it is."""
        with self._lock:
            answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
            self.asked.append((path, headers, body))
        return answer[0], answer[1], answer[2] if len(answer) == 3 else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    canned: Canned

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def _answer(self, body: bytes) -> None:
        status, said, retry_after = self.canned.next(self.path, dict(self.headers), body)
        content = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        self.send_response(status)
        kind = "application/json" if status == 200 else "application/problem+json"
        self.send_header("Content-Type", kind if not isinstance(said, str) else "text/html")
        self.send_header("Content-Length", str(len(content)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def canned(*answers: tuple[int, Any] | tuple[int, Any, str]) -> Iterator[Canned]:
    """Serve these answers until the context is left."""
    served = Canned(list(answers))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"canned": served}))
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
