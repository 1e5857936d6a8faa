"""Drawn pictures to a fragmented MP4 (ISO/IEC 14496-12, 8.8), handed on as it is encoded: H.264 and the sound."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from typing import BinaryIO

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray
from telltale_contracts import Film, Overlay

from telltale_preprocess.drawing.annotate import Annotator, Pixels
from telltale_preprocess.drawing.soundtrack import Soundtrack
from telltale_preprocess.errors import BadDrawing, NoPicture
from telltale_preprocess.media.animation import decode_animation
from telltale_preprocess.media.planar import reduced
from telltale_preprocess.media.probe import Recording, probe
from telltale_preprocess.media.timeline import Timeline
from telltale_preprocess.media.video import Picture, decode_frames
from telltale_preprocess.settings import Settings

Sink = Callable[[bytes], None]

_CLOCK = 90_000
# A fragment for each of so many frames is what a viewer waits for.
_FRAGMENT_FRAMES = 25
_FRAME_S = 0.04
_PRIMING_S = 0.15


def render_overlay(file: BinaryIO, drawing: Overlay, settings: Settings, sink: Sink) -> None:
    """Draw on every frame of a video, 30 a second at most, and keep its sound.

    Raises:
        PreprocessError: the media is no moving picture, or cannot be decoded; the subclass says why.
    """
    source = probe(file, settings)
    if not isinstance(source, Recording) or source.timeline is None:
        raise NoPicture(f"The {source.facts.kind} holds no moving picture to draw on.")
    timeline = source.timeline
    targets = _at_most(timeline, settings.render_fps)
    if source.animation is not None:
        pictures: Iterator[Picture] = decode_animation(source.animation, timeline, targets)
    else:
        pictures = decode_frames(file, timeline, targets, max_pixels=settings.max_pixels)
    frames = _drawn(pictures, drawing, settings)
    if source.sound_s is None:
        _encode(frames, timeline.origin, None, sink)
        return
    with _another(file) as beside, closing(Soundtrack(beside)) as sound:
        _encode(frames, timeline.origin, sound, sink)


def render_film(file: BinaryIO, drawing: Film, sink: Sink) -> None:
    """Draw on pictures that were decoded before, uint8 [moments, height, width, 3] as npy.

    Raises:
        BadDrawing: they are not that.
    """
    pictures = read_array(file, np.uint8, 4)
    if len(pictures) != len(drawing.moments) or pictures.shape[3] != 3 or min(pictures.shape[1:3]) < 16:
        raise BadDrawing(f"Pictures of shape {pictures.shape} do not fit {len(drawing.moments)} moments.")
    height, width = pictures.shape[1:3]
    annotator = Annotator(drawing, width, height, 1.0)
    frames = [
        (moment.t, annotator.draw(picture, moment.t, place))
        for place, (moment, picture) in enumerate(zip(drawing.moments, pictures, strict=True))
    ]
    # The first one is there from the beginning, and the last one until the end.
    if frames[0][0] > _FRAME_S:
        frames.insert(0, (0.0, frames[0][1]))
    if drawing.duration_s > frames[-1][0] + _FRAME_S:
        frames.append((drawing.duration_s, frames[-1][1]))
    _encode(iter(frames), 0.0, None, sink)


def read_array(file: BinaryIO, kind: type[np.generic], dimensions: int) -> NDArray[np.generic]:
    """An array of a type and so many dimensions from npy, none of them empty.

    Raises:
        BadDrawing: it is not one.
    """
    try:
        array = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise BadDrawing(f"What is to be drawn is no npy array: {error}.") from error
    if not isinstance(array, np.ndarray) or array.dtype != kind or array.ndim != dimensions or not array.size:
        raise BadDrawing(f"What is to be drawn is not {kind.__name__} of {dimensions} dimensions.")
    return array


def _drawn(pictures: Iterable[Picture], drawing: Overlay, settings: Settings) -> Iterator[tuple[float, Pixels]]:
    annotator: Annotator | None = None
    for picture in pictures:
        small = reduced(picture.rgb, settings.render_side)
        if annotator is None:
            height, width = small.shape[:2]
            annotator = Annotator(drawing, width, height, width / picture.rgb.shape[1])
        yield picture.t, annotator.draw(small, picture.t)


def _encode(frames: Iterator[tuple[float, Pixels]], origin: float, sound: Soundtrack | None, sink: Sink) -> None:
    first = next(frames, None)
    if first is None:
        raise NoPicture("Not one frame can be decoded.")
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
    with av.open(_Outlet(sink), "w", format="mp4", options=options) as output:
        height, width = first[1].shape[:2]
        video = output.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "23"})
        _shape(video, width, height)
        heard = sound.attach(output) if sound is not None else None
        # What a coder puts before the first sample is no sound that begins earlier.
        base = heard if heard is not None and heard < origin - _PRIMING_S else origin
        for t, pixels in _from(first, frames):
            if sound is not None:
                sound.mux_until(origin + t, base)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = round((origin + t - base) * _CLOCK), Fraction(1, _CLOCK)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if sound is not None:
            sound.mux_until(float("inf"), base)


def _shape(video: VideoStream, width: int, height: int) -> None:
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    context = video.codec_context
    context.time_base = Fraction(1, _CLOCK)
    context.gop_size = _FRAGMENT_FRAMES
    context.max_b_frames = 0
    context.thread_count = 1


def _from(first: tuple[float, Pixels], rest: Iterator[tuple[float, Pixels]]) -> Iterator[tuple[float, Pixels]]:
    yield first
    yield from rest


def _at_most(timeline: Timeline, fps: float) -> NDArray[np.int64]:
    """All frames, or as many as so many a second are."""
    count = min(len(timeline.times), max(1, int(float(timeline.times[-1]) * fps) + 1))
    if count == len(timeline.times):
        return np.arange(count, dtype=np.int64)
    return np.unique([timeline.nearest(moment) for moment in np.arange(count) / fps])


def _another(file: BinaryIO) -> BinaryIO:
    return io.FileIO(f"/proc/self/fd/{file.fileno()}", "rb")


class _Outlet:
    """What libavformat writes goes on at once; it cannot go back."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, data: bytes) -> int:
        """Hand on some bytes."""
        self._sink(bytes(data))
        return len(data)
