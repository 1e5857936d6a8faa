"""Kill parts of a running stack while clients post, and print what they saw and how long /health was not 200.

    .venvs/services/bin/python bench/outages.py --media .cache/samples/genuine.mp4

Starts a stack of its own on a free port, kills only processes of that stack, and stops it.
"""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import psutil

VICTIMS = {
    "tritonserver": ("tritonserver", "--model-repository"),
    "Triton's Python stub": ("triton_python_backend_stub",),
    "TensorFlow Serving stand-in": ("telltale_local.standin",),
    "preprocess worker": ("telltale_preprocess.workers.child",),
    "preprocess-service": ("-m telltale_preprocess --host",),
    "gateway": ("telltale_gateway", "--port"),
}


def main() -> int:
    """Kill each in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=2)
    options = parser.parse_args()
    media = options.media.read_bytes()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "telltale_local", "serve", "--port", str(port)]
    stack = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert stack.stdout is not None  # noqa: S101
        print(stack.stdout.readline().strip())
        for name in VICTIMS:
            print(outage(f"http://127.0.0.1:{port}", stack.pid, name, media, clients=options.clients), flush=True)
    finally:
        stack.send_signal(signal.SIGTERM)
        stack.wait()
    return 0


def outage(url: str, stack: int, name: str, media: bytes, *, clients: int) -> str:
    """Kill what the words describe during requests; one line of what happened."""
    victims = [p for p in psutil.Process(stack).children(recursive=True) if all(w in line(p) for w in VICTIMS[name])]
    seen: Counter[str] = Counter()
    stop = threading.Event()

    def post() -> None:
        with httpx.Client(base_url=url, timeout=120) as client:
            while not stop.is_set():
                try:
                    response = client.post("/predict", files={"file": ("clip.mp4", media)}, params={"max_frames": "8"})
                    degraded = response.status_code == 200 and response.json()["degraded"]
                    seen[f"{response.status_code}{' degraded' if degraded else ''}"] += 1
                except httpx.TransportError as error:
                    seen[type(error).__name__] += 1
                    time.sleep(0.2)

    threads = [threading.Thread(target=post) for _ in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(4)
    killed = time.monotonic()
    for victim in victims:
        victim.kill()
    noticed, back = watch_health(url, killed)
    time.sleep(2)
    stop.set()
    for thread in threads:
        thread.join()
    health = f"/health not 200 after {noticed:.1f} s, 200 again after {back:.1f} s" if noticed else "/health stayed 200"
    return f"{name:28} {len(victims)} killed; {health}; answers: {dict(seen)}"


def line(process: psutil.Process) -> str:
    """Its command line; nothing of one that has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def watch_health(url: str, killed: float) -> tuple[float | None, float]:
    """Seconds from the kill until /health was not 200, and until it was 200 again for good."""
    noticed: float | None = None
    with httpx.Client(base_url=url, timeout=10) as client:
        while time.monotonic() - killed < 90:
            try:
                well = client.get("/health").status_code == 200
            except httpx.TransportError:
                well = False
            elapsed = time.monotonic() - killed
            if not well and noticed is None:
                noticed = elapsed
            if well and (noticed is not None or elapsed > 12):
                return noticed, elapsed
            time.sleep(0.1)
    return noticed, float("inf")


if __name__ == "__main__":
    sys.exit(main())
