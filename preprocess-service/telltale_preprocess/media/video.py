"""Decode the wanted frames of a video, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from telltale_preprocess.errors import DamagedMedia
from telltale_preprocess.media.colour import to_rgb
from telltale_preprocess.media.container import open_container
from telltale_preprocess.media.timeline import Timeline, video_stream

# Frames that nothing refers to are left out only where a neighbour is near enough: with at least this many frames
# from one target to the next. Leaving out others, or the loop filter, would change pixels.
_SPARSE = 4


@dataclass(frozen=True)
class Picture:
    """One decoded frame: uint8 [height, width, 3], RGB, upright; ``t`` in seconds from the first frame."""

    index: int
    t: float
    rgb: NDArray[np.uint8]
    rotation: int


def decode_frames(file: BinaryIO, timeline: Timeline, targets: NDArray[np.int64]) -> Iterator[Picture]:
    """Yield the frame nearest to each target that decodes cleanly, in order, each frame once.

    Decoding is sequential and skips over to the key frame before a target where one lies between.

    Raises:
        DamagedMedia: not one frame could be decoded.
    """
    sparse = len(targets) > 0 and len(timeline.times) >= _SPARSE * len(targets)
    found = 0
    with open_container(file) as container:
        stream = video_stream(container)
        if stream is None:
            raise DamagedMedia("The video stream cannot be opened a second time.")
        stream.codec_context.thread_count = 1
        if sparse:
            stream.codec_context.skip_frame = "NONREF"
        for index, frame in _nearest(_clean_frames(container, stream, timeline), targets):
            found += 1
            yield Picture(index, float(timeline.times[index]), to_rgb(frame), -frame.rotation % 360)
    if found == 0:
        raise DamagedMedia(f"None of its {len(timeline.times)} frames can be decoded.")


def _nearest(frames: Iterator[tuple[int, VideoFrame]], targets: NDArray[np.int64]) -> Iterator[tuple[int, VideoFrame]]:
    wanted = iter(targets)
    target = next(wanted, None)
    before: tuple[int, VideoFrame] | None = None
    given = -1
    for here in frames:
        while target is not None and here[0] >= target:
            chosen = before if before is not None and target - before[0] < here[0] - target else here
            if chosen[0] != given:
                given = chosen[0]
                yield chosen
            target = next(wanted, None)
        if target is None:
            return
        before = here
    if before is not None and target is not None and before[0] != given:
        yield before


def _clean_frames(
    container: InputContainer, stream: VideoStream, timeline: Timeline
) -> Iterator[tuple[int, VideoFrame]]:
    for frame in _decoded(container, stream):
        if not frame.is_corrupt and (frame.pts is not None or len(timeline.times) == 1):
            yield timeline.nearest((frame.time or 0.0) - timeline.origin), frame


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    # A packet that cannot be decoded spoils its own frames, not the rest of the video.
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        try:
            yield from stream.decode(packet)
        except av.EOFError:
            return
        except av.FFmpegError:
            continue
