"""Decode the wanted frames of a video, one at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from telltale_preprocess.errors import DamagedMedia
from telltale_preprocess.media.colour import Turns, clockwise_rotation, display_width, to_rgb, to_square_pixels
from telltale_preprocess.media.container import INDEXED, packets_of, reopen_container
from telltale_preprocess.media.planar import Rgb
from telltale_preprocess.media.sampling import LONG_STRETCH
from telltale_preprocess.media.still import refuse_size
from telltale_preprocess.media.timeline import Timeline, video_stream

# Frames that nothing refers to are left out only where a neighbour is near enough: with at least this many frames
# from one target to the next. Leaving out others, or the loop filter, would change pixels.
_SPARSE = 4
_MIN_FOUND_SHARE = 0.5
_SAME_MOMENT_S = 1e-4


@dataclass(frozen=True)
class Picture:
    """One decoded frame: RGB, upright, of square pixels; ``t`` in seconds from the first frame;
    ``rotation`` in degrees clockwise that were applied."""

    index: int
    t: float
    rgb: Rgb
    rotation: int


def decode_frames(
    file: BinaryIO, timeline: Timeline, targets: NDArray[np.int64], *, max_pixels: int, min_side: int = 1
) -> Iterator[Picture]:
    """Yield the frame nearest to each target that decodes cleanly, in order, each frame once.

    Decoding is sequential; where a key frame lies far ahead before the next target, it goes on from there.

    Raises:
        DamagedMedia: fewer than half of the targets could be decoded.
        ImageTooLarge: a frame is larger than ``max_pixels``, whatever the header said.
    """
    found: set[int] = set()
    turns = Turns()
    with reopen_container(file) as container:
        stream = video_stream(container)
        if stream is None:
            raise DamagedMedia("The video stream cannot be opened a second time.")
        reader = _Reader(container, stream, timeline, spacing=len(timeline.times) / max(1, len(targets)))
        following = [*(int(target) for target in targets[1:]), None]
        for target, after in zip(targets, following, strict=True):
            chosen = reader.nearest(int(target), after)
            if chosen is None or chosen.index in found:
                continue
            found.add(chosen.index)
            frame = chosen.frame
            # Where the container does not say it, the decoder knows it from the stream itself, after a frame.
            aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
            for width in (frame.width, display_width(frame.width, aspect)):
                refuse_size(width, frame.height, max_pixels=max_pixels, min_side=min_side)
            rgb = to_rgb(to_square_pixels(frame, aspect), turns.of(frame))
            yield Picture(chosen.index, float(timeline.times[chosen.index]), rgb, clockwise_rotation(frame))
    if len(found) < _MIN_FOUND_SHARE * len(targets) or not found:
        raise DamagedMedia(
            f"Of {len(targets)} frames wanted, out of {len(timeline.times)}, only {len(found)} can be decoded."
        )


@dataclass(frozen=True)
class _Decoded:
    index: int
    frame: VideoFrame


class _Reader:
    """Walks forward through a stream, holding the last two decoded frames."""

    def __init__(self, container: InputContainer, stream: VideoStream, timeline: Timeline, *, spacing: float) -> None:
        self._container = container
        self._stream = stream
        self._timeline = timeline
        self._spacing = spacing
        self._indexed = container.format.name in INDEXED and timeline.stamped
        self._sparse = self._indexed and spacing >= _SPARSE
        stream.codec_context.thread_count = 1
        if self._sparse:
            stream.codec_context.skip_frame = "NONREF"
        self._gate = _Gate()
        self._frames = self._decode()
        self._before: _Decoded | None = None
        self._here: _Decoded | None = None
        self._drained = False

    def nearest(self, target: int, following: int | None) -> _Decoded | None:
        """The clean frame nearest to ``target``; targets must not decrease. None when there is none at all.

        ``following``: the target after it, None after the last.
        """
        key = self._timeline.key_before(target)
        position = self._here.index if self._here is not None else 0
        if self._indexed and (self._drained or key - position > LONG_STRETCH):
            alone = self._key_frame(key) if key == target else None
            if alone is not None:
                return alone
            self._seek(key)
        elif self._indexed and key > position:
            self._leave_out_until(key)
        if self._indexed and (following is None or self._timeline.key_before(following) > target):
            self._gate.stop_after(self._moment(key), self._moment(target), target - key + 1)
        chosen = self._walk_to(target)
        if self._sparse and (chosen is None or abs(chosen.index - target) > self._spacing / 2):
            # The stream leaves most of its frames without reference: then every frame has to be decoded.
            self._sparse = False
            self._stream.codec_context.skip_frame = "DEFAULT"
            self._seek(key)
            chosen = self._walk_to(target)
        return chosen

    def _walk_to(self, target: int) -> _Decoded | None:
        while self._here is None or self._here.index < target:
            following = next(self._frames, None)
            if following is None:
                break
            self._before, self._here = self._here, following
        near = [frame for frame in (self._before, self._here) if frame is not None]
        return min(near, key=lambda frame: abs(frame.index - target), default=None)

    def _key_frame(self, key: int) -> _Decoded | None:
        """Key frame ``key`` alone; after it the decoder must be sent elsewhere. None when it does not decode alone."""
        self._seek(key)
        self._drained = True
        try:
            packet = next(packets_of(self._container, self._stream))
            frames = [*self._stream.decode(packet), *_held(self._stream)]
        except (StopIteration, av.FFmpegError):
            return None
        self._here = next((each for each in _named(frames, self._timeline) if each.index == key), None)
        return self._here

    def _seek(self, key: int) -> None:
        base = self._stream.time_base
        if base is None:
            return
        self._container.seek(round(self._moment(key) / base), stream=self._stream)
        self._before = self._here = None
        self._drained = False
        self._gate = _Gate()
        self._frames = self._decode()

    def _leave_out_until(self, key: int) -> None:
        # What follows the last target of a group of pictures is of no use to the next group.
        if self._gate.close_until(self._moment(key)):
            self._stream.codec_context.flush_buffers()
            self._before = self._here = None

    def _moment(self, index: int) -> float:
        return self._timeline.origin + float(self._timeline.times[index])

    def _decode(self) -> Iterator[_Decoded]:
        return _named(_all_frames(self._container, self._stream, self._gate), self._timeline)


@dataclass
class _Gate:
    """Holds back packets that nobody needs: those before a key frame, and those after the last frame that is wanted of
    a group of pictures. Frames are known by when they are shown, in seconds."""

    passed: float = -math.inf
    opens_at: float | None = None
    _shown: set[float] = field(default_factory=set)
    _last: tuple[float, float, int] | None = None

    def close_until(self, moment: float) -> bool:
        """Close until a key frame; not when its packet has passed already, ahead of the frames before it."""
        if moment < self.passed + _SAME_MOMENT_S:
            return False
        self.opens_at = moment
        return True

    def stop_after(self, first: float, last: float, frames: int) -> None:
        """Close once so many frames have passed that are shown from the key frame at ``first`` until ``last``."""
        self._last = (first, last, frames)

    def stops(self) -> bool:
        """Whether it closes now, since all frames that were wanted have passed."""
        if self._last is None:
            return False
        first, last, frames = self._last
        if sum(first - _SAME_MOMENT_S < moment < last + _SAME_MOMENT_S for moment in self._shown) < frames:
            return False
        self._last, self.opens_at = None, last
        return True

    def holds_back(self, packet: Packet[Any]) -> bool:
        """Whether a packet is to be left out; opens at the key frame, and at the end of the stream."""
        moment = None if packet.pts is None or packet.time_base is None else float(packet.pts * packet.time_base)
        opens_at = -math.inf if self.opens_at is None else self.opens_at
        if packet.is_keyframe and moment is not None and moment > opens_at - _SAME_MOMENT_S:
            self.passed, self.opens_at = moment, None
            self._shown.clear()
        if not packet.size:
            self.opens_at = None
        if self.opens_at is None and moment is not None:
            self._shown.add(moment)
        return self.opens_at is not None


def _named(frames: Iterable[VideoFrame], timeline: Timeline) -> Iterator[_Decoded]:
    # No method: a generator that knows its reader would keep it, and with it the decoder's pictures, until the garbage
    # collector comes by.
    last = len(timeline.times) - 1
    for place, frame in enumerate(frames):
        if frame.is_corrupt:
            continue
        if timeline.stamped and frame.time is not None:
            yield _Decoded(timeline.nearest(frame.time - timeline.origin), frame)
        else:
            yield _Decoded(min(place, last), frame)


def _all_frames(container: InputContainer, stream: VideoStream, gate: _Gate) -> Iterator[VideoFrame]:
    # A packet that cannot be decoded spoils its own frames, not the rest of the video.
    packets = packets_of(container, stream)
    while True:
        if gate.stops():
            yield from _held(stream)
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        if gate.holds_back(packet):
            continue
        try:
            decoded = stream.decode(packet)
        except av.EOFError:
            return
        except av.FFmpegError:
            continue
        yield from decoded


def _held(stream: VideoStream) -> list[VideoFrame]:
    """What the decoder holds to bring frames into order: without the packets that it waits for, two frames less to
    decode for each group of pictures. It begins anew at a key frame then."""
    try:
        frames = stream.decode(None)
    except av.FFmpegError:
        frames = []
    stream.codec_context.flush_buffers()
    for frame in frames:
        # What is drained without a packet has lost the clock that its time stamp counts by.
        frame.time_base = stream.time_base
    return frames
