"""What the gateway itself costs a request: everything of /predict that is no stage of the analysis.

    python -m telltale_local run -- python bench/gateway.py          (make bench does it)

One client on loopback posts 5 MB of video, again and again: to the gateway, and in turns to preprocess-service with the
recipe that the gateway gives it. Of each answer's time, as the client sees it, the stages' own times are taken off:
decoding, faces, features, and the slowest model server. What is left of /predict is the upload, the way to
preprocessing and the tensors' way back, calls to the servers, fusion and the answer; what is left of /bundle is
preprocess-service's. The clip has no sound, which would be listened to beside the pictures, so that stages follow one
another and their times add up.
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
from telltale_contracts import DetectorManifest, Recipe, Sampling, TensorBundle

GOAL_S = 0.010
_BOUNDARY = "telltale-bench"
_IDLE_S = 10.0


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--warm", type=int, default=5, help="requests before those that count")
    options = parser.parse_args()
    clip = clips.five_megabytes()
    gateway, preprocess = (urlsplit(os.environ[f"TELLTALE_{name}"]) for name in ("URL", "PREPROCESS_URL"))
    services = {"gateway": _listening_on(gateway.port), "preprocess": _listening_on(preprocess.port)}
    asked, alone = (http.client.HTTPConnection(url.netloc, timeout=120) for url in (gateway, preprocess))
    form, form_alone = _form(clip, "file"), _form(clip, "media", recipe=_recipe(asked).model_dump_json())
    say(f"{options.requests} requests of {clip.stat().st_size / 1e6:.1f} MB")
    for _ in range(options.warm):
        _predict(asked, form)
        _bundle(alone, form_alone)
    idle = _cpu_while(services, lambda: time.sleep(_IDLE_S))
    samples: Samples = defaultdict(list)
    for _ in range(options.requests):
        started = time.perf_counter()
        busy = _cpu_while(services, lambda: _add(samples, _predict(asked, form)))
        elapsed = time.perf_counter() - started
        for name in services:
            # The gateway's probes of the servers go on all the while, and are no request's.
            samples[f"{name}_cpu"].append(busy[name] - idle[name] * elapsed / _IDLE_S)
        _add(samples, _bundle(alone, form_alone))
    report("gateway", rows(samples, clip), dict(samples), {"requests": options.requests})


def rows(samples: Samples, clip: Path) -> list[Row]:
    """The table's lines."""
    left, alone = (statistics.median(samples[name]) for name in ("left", "alone_left"))
    cpu = ", ".join(f"{statistics.fmean(samples[f'{name}_cpu']) * 1000:.1f} ms" for name in ("gateway", "preprocess"))
    return [
        Row(f"/predict, {clip.stat().st_size / 1e6:.1f} MB of video", milliseconds(samples["total"])),
        Row("  decode, faces, features, slowest server", milliseconds(samples["stages"])),
        Row("  what is left of it", milliseconds(samples["left"], 1)),
        Row("    upload to the gateway", milliseconds(samples["upload"], 1)),
        Row("    to preprocessing and back", milliseconds(samples["wait"], 1)),
        Row("  what is left of /bundle, asked alone", milliseconds(samples["alone_left"], 1)),
        Row(
            "  the gateway's own: the difference",
            f"{(left - alone) * 1000:.1f} ms",
            "<= 10 ms",
            left - alone <= GOAL_S,
        ),
        Row("  CPU time of gateway, of preprocess-service", cpu),
    ]


def _predict(gateway: http.client.HTTPConnection, form: bytes) -> dict[str, float]:
    """Seconds of one request to the gateway, and of its parts."""
    total, answer = _post(gateway, "/predict", form)
    spent = {name: ms / 1000.0 for name, ms in json.loads(answer)["timings_ms"].items()}
    stages = spent["decode"] + spent["faces"] + spent["features"] + max(spent["triton"], spent["tfserving"])
    return {"total": total, "stages": stages, "left": total - stages, "upload": spent["upload"], "wait": spent["wait"]}


def _bundle(preprocess: http.client.HTTPConnection, form: bytes) -> dict[str, float]:
    """Seconds of one request to preprocess-service, and what is left of it without its stages."""
    total, answer = _post(preprocess, "/bundle", form)
    stages = sum(TensorBundle.from_bytes(answer).metadata.timings_ms.values()) / 1000.0
    return {"alone_total": total, "alone_left": total - stages}


def _post(connection: http.client.HTTPConnection, path: str, form: bytes) -> tuple[float, bytes]:
    """Seconds until the whole answer, and the answer.

    Raises:
        RuntimeError: it is a refusal.
    """
    connection.connect()
    started = time.perf_counter()
    connection.request("POST", path, form, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"})
    response = connection.getresponse()
    answer = response.read()
    total = time.perf_counter() - started
    # The services keep no connection for as long as the other one works.
    connection.close()
    if response.status != http.client.OK:
        raise RuntimeError(f"{path}: {response.status} {answer[:500].decode(errors='replace')}")
    return total, answer


def _recipe(gateway: http.client.HTTPConnection) -> Recipe:
    """What the gateway asks of preprocessing for all its detectors."""
    gateway.request("GET", "/models")
    models = json.loads(gateway.getresponse().read())
    gateway.close()
    manifests = [DetectorManifest.model_validate(model["manifest"]) for model in models]
    sampling = Sampling.densest(manifest.sampling or Sampling() for manifest in manifests)
    return Recipe.union((manifest.input for manifest in manifests), sampling)


def _add(samples: Samples, measured: dict[str, float]) -> None:
    for name, seconds in measured.items():
        samples[name].append(seconds)


def _form(clip: Path, name: str, **fields: str) -> bytes:
    part = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name="
    head = "".join(f'{part}"{field}"\r\n\r\n{text}\r\n' for field, text in fields.items())
    head += f'{part}"{name}"; filename="{clip.name}"\r\n\r\n'
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
