"""What people run today for the same frames: OpenCV 4 reading a video, and a Haar cascade or MTCNN looking for faces.

Runs in .venvs/bench. For each line on stdin ("haar" or "mtcnn") one JSON line: seconds of decoding (every frame
grabbed, the 32 wanted retrieved) and of detection, at the size that the service searches. On one core; the sound is
left out.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

FRAMES = 32
_SHOWN = (640, 360)
_CASCADE = "haarcascade_frontalface_default.xml"


def main() -> None:
    """Answer until stdin ends."""
    clip = Path(sys.argv[1])
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    finders: dict[str, Callable[[Any], int]] = {"haar": _haar(), "mtcnn": _mtcnn()}
    for line in sys.stdin:
        print(json.dumps(_measure(clip, finders[line.strip()])), flush=True)


def _haar() -> Callable[[Any], int]:
    cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / _CASCADE))
    return lambda picture: len(cascade.detectMultiScale(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)))


def _mtcnn() -> Callable[[Any], int]:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from mtcnn import MTCNN  # noqa: PLC0415 - TensorFlow reads the environment when it is loaded

    finder = MTCNN(device="CPU:0")
    return lambda picture: len(finder.detect_faces(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)))


def _measure(clip: Path, find: Callable[[Any], int]) -> dict[str, float]:
    start = time.perf_counter()
    capture = cv2.VideoCapture(str(clip))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = {int((place + 0.5) * count / FRAMES) for place in range(FRAMES)}
    pictures = []
    for number in range(max(wanted) + 1):
        capture.grab()
        if number in wanted:
            pictures.append(cv2.resize(capture.retrieve()[1], _SHOWN, interpolation=cv2.INTER_AREA))
    capture.release()
    decoded = time.perf_counter()
    seen = sum(find(picture) > 0 for picture in pictures)
    end = time.perf_counter()
    return {"decode": decoded - start, "detect": end - decoded, "total": end - start, "seen": seen}


if __name__ == "__main__":
    main()
