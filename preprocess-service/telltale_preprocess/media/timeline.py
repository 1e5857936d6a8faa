"""When each frame of a video is shown, from one pass over the packets without decoding.

Times come from presentation time stamps: index / fps is off by more than a second on variable frame rate.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from telltale_preprocess.errors import DamagedMedia, MediaTooLong
from telltale_preprocess.media.container import packets_of
from telltale_preprocess.media.refresh import refresh_detector

# Raw streams whose duration libavformat only estimates from the bit rate: their end proves nothing.
_ESTIMATED = {"mp3", "aac", "ac3", "eac3", "h264", "hevc", "m4v", "mpegvideo", "amr", "dts", "obu"}
# AVI has no presentation times; libavformat takes a frame with others after it for shown one step after its decoding,
# whatever the order is.
_NO_STAMPS = {"avi"}
# Containers that say how long the whole lasts; libavformat says it of each stream.
_ONE_DURATION = {"asf", "matroska,webm"}
_MIN_SHARE = 0.9
# Some containers (AVI) do not say how long the last frame stays.
_SLACK_S = 0.1
_DEFAULT_FPS = 25.0
_WRAPPED = (1 << 32) - (1 << 20)


@dataclass(frozen=True)
class Timeline:
    """Frames in presentation order.

    ``times``: float64 [frames], seconds from the first frame, strictly increasing; ``origin``: presentation time of
    the first frame in seconds; ``keys``: int64, indices of key frames; ``stamped``: whether every packet says when
    it is shown; otherwise the times follow the order of decoding and a frame is known by its place.
    """

    times: NDArray[np.float64]
    origin: float
    keys: NDArray[np.int64]
    duration_s: float
    stamped: bool

    @property
    def fps(self) -> float | None:
        """Mean frames a second; None for a single frame."""
        return (len(self.times) - 1) / float(self.times[-1]) if len(self.times) > 1 else None

    @property
    def variable(self) -> bool:
        """Whether the distance between frames varies by more than half of its median."""
        steps = np.diff(self.times)
        return bool(len(steps) > 1 and np.ptp(steps) > 0.5 * np.median(steps))

    def key_before(self, index: int) -> int:
        """Index of the last key frame not after ``index``; 0 where the stream names none."""
        place = int(np.searchsorted(self.keys, index, side="right")) - 1
        return int(self.keys[place]) if place >= 0 else 0

    def nearest(self, t: float) -> int:
        """Index of the frame shown nearest to ``t`` seconds."""
        after = int(np.clip(np.searchsorted(self.times, t), 1, max(1, len(self.times) - 1)))
        if len(self.times) == 1:
            return 0
        return after if self.times[after] - t < t - self.times[after - 1] else after - 1


@dataclass(frozen=True)
class Times:
    """When everything in a recording happens: the video's timeline (None without video), seconds of the longest
    stream, and of the sound track (None without sound)."""

    timeline: Timeline | None
    duration_s: float
    sound_s: float | None


def _numbers() -> array[float]:
    # Eight bytes a packet: a video of hours has half a million.
    return array("d")


@dataclass
class _Packets:
    """What the packets of one stream say, in decoding order; times in seconds, NaN where they say none; ``stamped``:
    whether the container has times of presentation at all; ``refreshes``: whether what is marked as a key frame is
    none."""

    step: float
    base: float
    stamped: bool
    refreshes: Callable[[Packet[Any]], bool]
    shown: array[float] = field(default_factory=_numbers)
    decoded: array[float] = field(default_factory=_numbers)
    lengths: array[float] = field(default_factory=_numbers)
    keys: bytearray = field(default_factory=bytearray)

    def add(self, packet: Packet[Any]) -> None:
        pts, dts, base = packet.pts, packet.dts, self.base
        self.shown.append(math.nan if pts is None or not self.stamped else pts * base)
        self.decoded.append(math.nan if dts is None else dts * base)
        length = packet.duration or 0
        if _WRAPPED <= length < 1 << 32:
            # libavformat takes the padding off the last packet of an Ogg in 32 bits without a sign.
            length -= 1 << 32
        self.lengths.append(length * base)
        self.keys.append(packet.is_keyframe and not self.refreshes(packet))

    def times(self) -> tuple[NDArray[np.float64], bool]:
        """When each packet is shown, and whether they all say so: some containers (AVI) give decoding times only,
        raw streams nothing at all."""
        for stamps in (self.shown, self.decoded):
            times = np.array(stamps, dtype=np.float64)
            # Frames of a GIF without delays are all shown at once: its stamps say nothing either.
            if not np.isnan(times).any() and (len(times) == 1 or np.ptp(times) > 0):
                return times, stamps is self.shown
        return np.arange(len(self.lengths), dtype=np.float64) * self.step, False

    def span(self) -> float:
        """Seconds from the first moment to the end of the last."""
        times, _ = self.times()
        return float((times + self.lengths).max() - times.min())

    def end(self) -> float:
        """Seconds until the end of the last moment, from zero or from the first moment, whichever is longer ago: what
        a container's declared duration counts from differs."""
        times, _ = self.times()
        return float((times + self.lengths).max() - min(0.0, times.min()))


def read_times(container: InputContainer, max_duration_s: float) -> Times:
    """Read all packets of a container once, undecoded, from where it stands.

    Raises:
        MediaTooLong: it lasts longer than ``max_duration_s``.
        DamagedMedia: it holds no packet, or ends well before the end that its header declares.
    """
    _refuse_long((container.duration or 0) / av.time_base, max_duration_s)
    video, audio = video_stream(container), audio_stream(container)
    packets = _collect(container, [stream for stream in (video, audio) if stream is not None])
    video_index = video.index if video is not None else None
    audio_index = audio.index if audio is not None else None
    one_for_all = container.format.name in _ONE_DURATION
    declared = {} if container.format.name in _ESTIMATED else _declared(container, video, audio)
    spans = {index: found.span() for index, found in packets.items() if found.lengths}
    if not spans:
        raise DamagedMedia("The container is readable, but it holds no frame and no sample.")
    for index, seconds in declared.items():
        meant = spans.keys() if one_for_all else spans.keys() & {index}
        reached = max((packets[each].end() for each in meant), default=0.0)
        if reached < _MIN_SHARE * seconds - _SLACK_S:
            raise DamagedMedia(f"It declares {seconds:.2f} s but ends after {reached:.2f} s: it was cut off.")
    total = max(spans.values())
    _refuse_long(total, max_duration_s)
    timeline = _timeline(packets[video_index]) if video_index is not None and video_index in spans else None
    return Times(timeline, total, spans.get(audio_index) if audio_index is not None else None)


def video_stream(container: InputContainer) -> VideoStream | None:
    """The first moving picture that can be decoded; a cover that is attached to a sound is none, and a lone picture
    (AVIF keeps one beside its sequence) only where nothing moves."""
    moving = [
        stream
        for stream in container.streams.video
        if _decodable(stream) and not stream.disposition & av.stream.Disposition.attached_pic
    ]
    return next((stream for stream in moving if stream.frames != 1), moving[0] if moving else None)


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The sound track that the file marks as its default, else the first; of those that can be decoded."""
    tracks = [stream for stream in container.streams.audio if _decodable(stream)]
    default = av.stream.Disposition.default
    return next((track for track in tracks if track.disposition & default), tracks[0] if tracks else None)


def _decodable(stream: VideoStream | AudioStream) -> bool:
    # PyAV gives no context to a stream of a codec that it does not know, whatever its annotations say.
    context: object = stream.codec_context
    return context is not None


def _refuse_long(seconds: float, limit: float) -> None:
    if seconds > limit:
        raise MediaTooLong(f"It lasts {seconds:.1f} s; at most {limit:.0f} s are allowed.")


def _declared(container: InputContainer, video: VideoStream | None, audio: AudioStream | None) -> dict[int, float]:
    declared = {}
    for stream in (video, audio):
        if stream is not None and stream.duration and stream.time_base:
            declared[stream.index] = float(stream.duration * stream.time_base)
    single = [stream for stream in (video, audio) if stream is not None]
    if not declared and container.duration and len(single) == 1:
        declared[single[0].index] = container.duration / av.time_base
    return declared


def _collect(container: InputContainer, streams: list[VideoStream | AudioStream]) -> dict[int, _Packets]:
    stamped = container.format.name not in _NO_STAMPS
    found = {
        stream.index: _Packets(
            1 / _rate(stream),
            float(stream.time_base or 1),
            stamped,
            refresh_detector(stream) if isinstance(stream, VideoStream) else lambda _: False,
        )
        for stream in streams
    }
    try:
        for packet in packets_of(container, *streams):
            # What an edit list hides is decoded for what follows it and never shown: it has no time here.
            if packet.size and not packet.is_discard:
                found[packet.stream_index].add(packet)
    except av.FFmpegError as error:
        # A cut-off file ends in an error; how much of it was reached is judged by the caller.
        if not any(packets.lengths for packets in found.values()):
            raise DamagedMedia(f"The container is readable, but its content is not: {error.strerror}.") from error
    return found


def _rate(stream: VideoStream | AudioStream) -> float:
    if isinstance(stream, VideoStream):
        return float(stream.average_rate or stream.guessed_rate or _DEFAULT_FPS)
    return float(stream.rate or 1)


def _timeline(packets: _Packets) -> Timeline:
    stamps, stamped = packets.times()
    times, first = np.unique(stamps, return_index=True)
    keys = np.flatnonzero(np.frombuffer(bytes(packets.keys), dtype=np.bool_)[first])
    return Timeline(times - times[0], float(times[0]), keys, packets.span(), stamped)
