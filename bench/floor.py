"""The least that this work can cost with these libraries, in one process on one core: what the service is held to.

For each line on stdin one JSON line: seconds of bare PyAV decoding to the frames needed (sequential, frames without
reference skipped), of the bare face detector on 32 pictures of the size that it is shown, and of bare resampling of
the sound. The file is opened once, plainly.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from clips import ASSETS, Picture
from mediapipe import Image, ImageFormat
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.vision import FaceDetector, FaceDetectorOptions

MODEL = "face_detection_full_range_sparse.tflite"
FRAMES = 32
RATE = 16_000
_SHOWN = (640, 360)


def main() -> None:
    """Answer until stdin ends."""
    clip = Path(sys.argv[1])
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    shown = pictures(clip)
    options = FaceDetectorOptions(base_options=BaseOptions(model_asset_path=str(ASSETS / MODEL)))
    detector = FaceDetector.create_from_options(options)
    try:
        _measure(clip, detector, shown)
        for _ in sys.stdin:
            print(json.dumps(_measure(clip, detector, shown)), flush=True)
    finally:
        detector.close()


def pictures(clip: Path) -> list[Picture]:
    """The frames needed, at the size that the detector is shown."""
    with av.open(str(clip)) as container:
        every = [
            cv2.resize(frame.to_ndarray(format="rgb24"), _SHOWN, interpolation=cv2.INTER_AREA)
            for frame in decode(container)
        ]
    return [np.ascontiguousarray(picture) for picture in every]


def decode(container: InputContainer) -> Iterator[av.VideoFrame]:
    """The frame at or after the middle of each of 32 equal stretches."""
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    stream.codec_context.skip_frame = "NONREF"
    seconds = float(stream.duration * stream.time_base)
    found = 0
    for frame in container.decode(stream):
        if frame.time >= (found + 0.5) * seconds / FRAMES:
            found += 1
            yield frame
            if found == FRAMES:
                return


def listen(container: InputContainer) -> int:
    """Samples of the sound at 16 kHz, mono."""
    resampler = AudioResampler(format="fltp", layout="mono", rate=RATE)
    samples = 0
    for frame in container.decode(audio=0):
        samples += sum(part.to_ndarray().shape[1] for part in resampler.resample(frame))
    return samples + sum(part.to_ndarray().shape[1] for part in resampler.resample(None))


def _measure(clip: Path, detector: FaceDetector, shown: list[Picture]) -> dict[str, float]:
    cpu, start = time.process_time(), time.perf_counter()
    with av.open(str(clip)) as container:
        frames = sum(1 for _ in decode(container))
        decoded = time.perf_counter()
        container.seek(0)
        samples = listen(container)
    heard = time.perf_counter()
    faces = [len(detector.detect(Image(ImageFormat.SRGB, picture)).detections) for picture in shown]
    end = time.perf_counter()
    if frames != FRAMES or samples < RATE or not any(faces):
        raise SystemExit(f"the clip is not as it should be: {frames} frames, {samples} samples, faces {faces}")
    return {
        "decode": decoded - start,
        "sound": heard - decoded,
        "detect": end - heard,
        "total": end - start,
        "cpu": time.process_time() - cpu,
    }


if __name__ == "__main__":
    main()
