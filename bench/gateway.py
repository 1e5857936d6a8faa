"""What the gateway itself costs a request: everything of /predict that is no stage of the analysis.

    python -m telltale_local run -- python bench/gateway.py          (make bench does it)

One client on loopback posts 5 MB of video, again and again. Of each answer's time, as the client sees it, the stages'
own times are taken off: decoding, faces, features, and the slowest model server. What is left is the upload, the way to
preprocessing and the tensors' way back, calls to the servers, fusion and the answer. The clip has no sound, which would
be listened to beside the pictures, so that stages follow one another and their times add up.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import clips
import psutil
from table import Row, Samples, milliseconds, report, say

GOAL_S = 0.010
_BOUNDARY = "telltale-bench"
_IDLE_S = 3.0


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--warm", type=int, default=5, help="requests before those that count")
    options = parser.parse_args()
    clip = clips.five_megabytes()
    gateway = urlsplit(os.environ["TELLTALE_URL"])
    services = {
        "gateway": _listening_on(gateway.port),
        "preprocess": _listening_on(urlsplit(os.environ["TELLTALE_PREPROCESS_URL"]).port),
    }
    say(f"{options.requests} requests of {clip.stat().st_size / 1e6:.1f} MB")
    connection = http.client.HTTPConnection(str(gateway.hostname), gateway.port, timeout=120)
    body = _form(clip)
    for _ in range(options.warm):
        _ask(connection, body)
    idle = _cpu_while(services, lambda: time.sleep(_IDLE_S))
    samples: Samples = defaultdict(list)
    started = time.perf_counter()

    def requests() -> None:
        for _ in range(options.requests):
            for name, seconds in _ask(connection, body).items():
                samples[name].append(seconds)

    busy = _cpu_while(services, requests)
    elapsed = time.perf_counter() - started
    for name in services:
        # Its probes of the servers go on all the while, and are no request's.
        samples[f"{name}_cpu"] = [(busy[name] - idle[name] * elapsed / _IDLE_S) / options.requests]
    report("gateway", rows(samples, clip), dict(samples), {"requests": options.requests})


def rows(samples: Samples, clip: Path) -> list[Row]:
    """The table's lines."""
    own = statistics.median(samples["own"])
    cpu = ", ".join(f"{samples[f'{name}_cpu'][0] * 1000:.1f} ms" for name in ("gateway", "preprocess"))
    return [
        Row(f"/predict, {clip.stat().st_size / 1e6:.1f} MB of video", milliseconds(samples["total"])),
        Row("  decode, faces, features, slowest server", milliseconds(samples["stages"])),
        Row("  what is left: the gateway's own", milliseconds(samples["own"], 1), "<= 10 ms", own <= GOAL_S),
        Row("    upload", milliseconds(samples["upload"], 1)),
        Row("    to preprocessing and back", milliseconds(samples["wait"], 1)),
        Row("  CPU time of gateway, of preprocess-service", cpu),
    ]


def _ask(connection: http.client.HTTPConnection, body: bytes) -> dict[str, float]:
    """Seconds of one request and of its parts.

    Raises:
        RuntimeError: the answer is no verdict.
    """
    started = time.perf_counter()
    connection.request("POST", "/predict", body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"})
    response = connection.getresponse()
    answer = response.read()
    total = time.perf_counter() - started
    if response.status != http.client.OK:
        raise RuntimeError(f"{response.status} {answer[:500].decode(errors='replace')}")
    spent = {name: ms / 1000.0 for name, ms in json.loads(answer)["timings_ms"].items()}
    stages = spent["decode"] + spent["faces"] + spent["features"] + max(spent["triton"], spent["tfserving"])
    return {"total": total, "stages": stages, "own": total - stages, "upload": spent["upload"], "wait": spent["wait"]}


def _form(clip: Path) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{clip.name}"\r\n\r\n'
    return head.encode() + clip.read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _cpu_while(services: dict[str, psutil.Process], work: Callable[[], None]) -> dict[str, float]:
    """CPU seconds that each service used while something was done."""
    before = {name: process.cpu_times() for name, process in services.items()}
    work()
    after = {name: process.cpu_times() for name, process in services.items()}
    return {name: after[name].user + after[name].system - before[name].user - before[name].system for name in services}


def _listening_on(port: int | None) -> psutil.Process:
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    raise RuntimeError(f"nobody listens on port {port}")


if __name__ == "__main__":
    main()
